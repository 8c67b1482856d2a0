"""The receiving end of a Pub/Sub push: token, request body and envelope."""
