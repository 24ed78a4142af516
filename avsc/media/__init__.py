"""Media files in, arrays out: WAV, video, JPEG."""
