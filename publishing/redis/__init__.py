"""Publishes to Redis Streams; a message counts as sent only once Redis has confirmed it."""
