"""Receives Pub/Sub pushes: checks the token, reads the request body, and parses the envelope."""
