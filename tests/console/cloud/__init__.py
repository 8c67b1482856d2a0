"""Tests of the console against a deployment: Google's clients, and servers of the tests instead of Google."""
