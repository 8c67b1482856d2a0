"""Scripts that operators (with only gcloud and Python) or make run from a checkout of the repository."""
