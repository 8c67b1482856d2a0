"""Scripts that are run from a checkout: by operators, who need only gcloud and Python, and by make."""
