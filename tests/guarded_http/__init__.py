"""Tests of the HTTP client for URLs from outside."""
