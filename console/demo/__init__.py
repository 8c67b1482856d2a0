"""The demo: the web site of a small shop, a crawl of the site, and a run with a retry and a dead letter."""
