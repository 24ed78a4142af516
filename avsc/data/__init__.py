"""Aligned training triples: from a store's clips to augmented batches."""
