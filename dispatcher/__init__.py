"""Cloud Run service 1, the dispatcher: takes a crawl and publishes its jobs."""
