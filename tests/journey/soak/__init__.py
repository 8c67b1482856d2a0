"""Keeps the whole system busy, and checks that no process grows: `python -m tests.journey.soak --help`."""
