"""The sources of a crawl's URLs: one module for each kind."""
