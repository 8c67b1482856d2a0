"""Cloud Run service 1: a crawl in, jobs out."""
