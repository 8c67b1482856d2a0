"""Selects dead letters, and replays, replaces, drops or exports them."""
