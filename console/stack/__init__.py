"""The local stack: its processes, ports, topics and subscriptions."""
