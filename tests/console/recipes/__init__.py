"""Tests of recipe and crawl files."""
