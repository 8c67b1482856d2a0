"""The worker, the second Cloud Run service: it takes pushes of jobs, scrapes them, and publishes outcomes."""
