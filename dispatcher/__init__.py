"""The dispatcher, the first Cloud Run service: it takes a crawl and publishes its jobs."""
