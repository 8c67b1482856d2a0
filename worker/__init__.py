"""Cloud Run service 2, the worker: takes the push of a job, scrapes it, and publishes its outcome."""
