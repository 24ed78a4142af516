"""The store: the only place where stage 1 and stage 2 meet."""
