"""Stage 2: streams of triples, the model, its optimisation. Never imports dask."""
