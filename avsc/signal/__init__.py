"""Signal mathematics: filter banks and time-frequency features. Pure: no I/O, no globals."""
