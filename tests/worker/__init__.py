"""The worker, held against its promises."""
