"""Receives the messages of Redis Streams, and settles them."""
