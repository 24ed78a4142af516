"""Names the scene of each second of any recording with a trained run."""
