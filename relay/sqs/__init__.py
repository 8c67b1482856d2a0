"""Receives messages from AWS SQS."""
