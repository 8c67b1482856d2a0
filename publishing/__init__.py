"""Publishes to Pub/Sub; a message counts as sent only once Pub/Sub has confirmed it."""
