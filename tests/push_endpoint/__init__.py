"""Tests of the receiving end of a Pub/Sub push."""
