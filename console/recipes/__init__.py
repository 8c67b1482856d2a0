"""Reads, checks and tries recipe and crawl files."""
