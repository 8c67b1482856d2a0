"""Faults of localpubsub, as patches, each with the test that must catch it.

A test that no fault makes fail tests nothing. Each ``NAME.patch`` puts one fault into localpubsub; its first
lines say what the fault is and which test fails. ``python -m tests.localpubsub.mutations`` applies each to a
temporary copy of the sources, and shows that the test fails there; ``test_mutations.py`` does the same.
"""
