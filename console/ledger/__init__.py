"""Queries of the ledger, and its views in SQLite."""
