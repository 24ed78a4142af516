"""Stage 1: every clip of a data set once, into a store. Never imports torch."""
