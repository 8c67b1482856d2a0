"""The SQLite store that survives restarts, and the journal that writes to it."""
