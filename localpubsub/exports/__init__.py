"""Writes the messages of export subscriptions to local BigQuery tables and Cloud Storage buckets."""
