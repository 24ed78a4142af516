"""A data set: a folder a scene, a table of recordings, or TAU's layout (DESIGN section 9).

In the order of reading:

- ``read``: ``read_dataset``, one reader for the three, and how they are told apart.
- ``recordings``: what folders and tables list; ``class_folders`` and ``clip_table`` list it.
- ``own``: headers of recordings read, and their clips put into folds; ``cut``: recordings cut
  into clips of whole seconds (pure).
- ``tau``: TAU's layout, checked against the disk; ``layout``: where its files lie; ``table``: one
  of its tables.
- ``manifests``: the published archives, and what the official folds hold.
- ``download``: fetches and unpacks the archives; ``fetch``: one large file over HTTP.
"""
