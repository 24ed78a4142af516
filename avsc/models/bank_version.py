"""Version of how an image becomes a stored embedding; a module that needs no torch."""

VERSION = 3
