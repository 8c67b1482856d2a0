"""What an operator runs from a checkout, with nothing installed but gcloud and Python."""
