"""Benchmarks. README.md in this folder has the results and how to repeat them."""
