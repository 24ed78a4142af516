"""The store: the only place where stage 1 and stage 2 meet (DESIGN section 4).

In the order of reading:

- ``schema``: array names, shapes, chunks, settings and version; pure.
- ``shard``: the bytes of one Zarr shard; pure.
- ``metadata``: the contents of ``zarr.json``; pure.
- ``layout``: the other small files, ``clips.csv`` and ``partitions/NNNNNN.json``.
- ``create``, ``writer``, ``finalize``: the three steps of making a store.
- ``reader``: ``Store``, what training and evaluation read; through ``mapped`` where the files are
  ours on a local disk, through ``through_zarr`` everywhere else.
- ``verify``: every byte against its checksums.
"""
