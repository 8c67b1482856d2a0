"""Tests of publishing to Pub/Sub."""
