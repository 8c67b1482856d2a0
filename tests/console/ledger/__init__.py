"""Tests of the ledger: its views, in SQLite and BigQuery, and its queries."""
