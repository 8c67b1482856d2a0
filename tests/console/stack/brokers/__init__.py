"""Tests of console/stack/brokers."""
