"""Topics, subscriptions and snapshots while the server runs: publishing, delivery, expiry, seek."""
