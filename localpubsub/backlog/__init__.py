"""Keeps the messages of one subscription and their states (waiting, outstanding, acknowledged). Pure."""
