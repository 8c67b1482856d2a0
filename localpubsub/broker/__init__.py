"""Publishes, delivers, expires and seeks messages, and keeps topics, subscriptions and snapshots."""
