"""Commands of stage 1: prepare, info, verify."""
