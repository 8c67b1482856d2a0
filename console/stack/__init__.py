"""Runs the local stack: its processes, ports, topics and subscriptions."""
