"""A synthetic data set in TAU's layout: real WAV and MP4 files, made-up scenes."""
