"""A data set in TAU's layout: where its files are, what its tables say, whether they agree."""
