"""The ledger in SQLite: its tables and views, and the queries of the console."""
