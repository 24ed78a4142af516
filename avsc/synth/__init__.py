"""A synthetic data set in TAU's layout: real WAV and MP4 files of ten made-up scenes.

Read in this order: ``plan`` (which clips there are, and which families of sound and picture a
scene has), ``sounds`` (a clip's sound), ``scenery`` and ``drawing`` (tables of what stands still,
and how it is drawn), ``pictures`` (what moves, and the camera), ``encode`` (files), ``work`` (a
folder of ours, jobs in processes), ``make`` (the data set) and ``images`` (labelled pictures for
``avsc pretrain``).
"""
