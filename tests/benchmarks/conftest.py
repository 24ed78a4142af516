"""The benchmarks are scripts: doctest collection must not import them and what only they need."""

collect_ignore_glob = ["*.py"]
