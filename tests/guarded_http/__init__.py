"""Tests of the HTTP client for untrusted URLs."""
