"""The operator's page: screens over the ledger and Pub/Sub, in a browser."""
