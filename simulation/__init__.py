"""Runs the whole line, from dispatch to dead letter, in one process under a virtual clock and faults.

The pure parts of the product and the worker's code are the real ones. Pub/Sub, Cloud Run, sites and faults
are models, drawn from a seed. docs/explanation/simulation.md explains what is real and what is a model.
"""
