"""Cloud Run service 2: a push in, an outcome out, and a 2xx only after a successful scrape."""
