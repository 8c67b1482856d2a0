"""Tests of the sources of URLs."""
