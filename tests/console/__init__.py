"""Tests of the console: the command line, the local stack, the ledger and the demo."""
