"""Publishes to AWS SQS."""
