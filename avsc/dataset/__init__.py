"""A data set in TAU's layout (DESIGN section 9).

In the order of reading:

- ``layout``: where its tables and media lie.
- ``table``: one of its tables, read and checked row by row.
- ``read``: ``read_dataset``, the clips of all tables, checked against each other and the disk.
- ``manifests``: the published archives, and what the official folds hold.
- ``download``: fetches and unpacks the archives; ``fetch``: one large file over HTTP.
"""
