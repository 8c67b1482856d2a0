"""The demo: a small shop's web site, a crawl of it, and the run that shows what becomes of failures."""
