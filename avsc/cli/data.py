"""Commands that make or fetch a data set."""
