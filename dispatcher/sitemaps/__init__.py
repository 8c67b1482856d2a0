"""Reads sitemaps: requests, formats, and limits."""
