"""Media files in, arrays out.

Order of reading: ``audio`` (a WAV file of a known length) and ``jpeg`` stand alone. ``video`` gives
the pictures at some times; it needs ``demux`` (a file opened safely), ``timeline`` (the times of
its packets), ``frames`` (which packets to decode, pure) and, if asked for, ``video_decord``.
``soundtrack`` streams the sound of a recording of any length.
"""
