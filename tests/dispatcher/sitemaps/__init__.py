"""Tests of the dispatcher's sitemaps."""
