"""Export subscriptions: write messages as rows of BigQuery tables and as files of Cloud Storage buckets."""
