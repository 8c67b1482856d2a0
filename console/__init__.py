"""Implements the `scrapeq` command line: the local stack, and reports from the ledger.

This package starts the services, posts crawls to the dispatcher and shows results; it processes no jobs.
"""
