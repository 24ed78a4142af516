"""A synthetic data set in TAU's layout: real WAV and MP4 files of ten made-up scenes.

Read in this order: ``plan`` (which clips there are, and which families of sound and picture a
scene has), ``sounds``, then ``drawing``, ``backdrops`` (what stands still), ``actors`` (what
moves) and ``pictures`` (both before a camera), ``encode`` (samples and pictures to files),
``work`` (a folder of ours, jobs in processes), ``make`` (the data set) and ``images`` (labelled
pictures for ``avsc pretrain``).
"""
