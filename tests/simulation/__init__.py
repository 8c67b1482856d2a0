"""Tests of the simulation, and the seeds, variants and storms that CI runs."""
