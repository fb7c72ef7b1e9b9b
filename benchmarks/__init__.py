"""Benchmarks: the commands behind the figures of the README (`python -m benchmarks` lists them)."""
