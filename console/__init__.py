"""The `scrapeq` command line: the local stack, and reports from the ledger.

A job does not pass through this package: it starts the services, posts crawls to them and shows the results.
"""
