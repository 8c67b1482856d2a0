"""Export subscriptions: rows for BigQuery tables and files for Cloud Storage buckets."""
