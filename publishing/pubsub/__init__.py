"""Publishes to Pub/Sub; the only code of the services that calls its publish method."""
