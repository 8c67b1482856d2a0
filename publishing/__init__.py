"""Publishes to Pub/Sub or another broker; a message counts as sent only once the broker has confirmed it."""
