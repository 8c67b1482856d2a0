"""Runs the whole system as real processes under seeded faults, and accounts for every job.

`python -m tests.journey.chaos --help` lists the faults. docs/guarantees.md has the results.
"""
