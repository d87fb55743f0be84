"""Benchmarks: asv's suites in `benchmarks`, and `compare`, which prints Weft beside its peers."""
