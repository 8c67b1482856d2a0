"""Tests the worker."""
