"""Publishes, delivers and expires messages, seeks subscriptions, and keeps topics and snapshots."""
