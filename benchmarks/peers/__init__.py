"""Compares Scrapeq with other queues on the same pages: `make bench-peers`."""
