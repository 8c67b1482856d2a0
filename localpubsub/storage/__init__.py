"""What is on disk: the SQLite store, its journal thread and the data directory."""
