"""Contains the SQLite store, whose data survives restarts, and the journal that writes to it."""
