"""Recipe and crawl files: reading, checking and trying them."""
