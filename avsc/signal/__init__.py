"""Signal mathematics, a library of its own: no I/O, no globals, of ours only errors and time.

Order of reading: ``features`` (FFT, filter bank, logarithm), ``morlet`` (the scalogram's bank),
``mel`` (the FBank's), ``settings`` (what these need to know).
"""
