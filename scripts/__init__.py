"""Scripts that an operator runs from a checkout; they need only gcloud and Python."""
