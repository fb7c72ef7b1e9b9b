"""Benchmarks of time and memory, each one command of `python -m benchmarks`."""
