"""Keeps Avro and Protocol Buffers schemas with their revisions, and validates messages."""
