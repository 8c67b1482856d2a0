"""Serves the API of Pub/Sub over gRPC and REST, and the state page."""
