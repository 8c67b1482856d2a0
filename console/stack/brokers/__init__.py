"""Starts the servers of brokers other than Pub/Sub on this machine."""
