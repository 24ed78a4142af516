"""Audio-visual scene classification from one second of sound and picture."""

__version__ = "0.1.0"
