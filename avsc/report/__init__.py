"""What evaluate, predict, info and export show a person."""
