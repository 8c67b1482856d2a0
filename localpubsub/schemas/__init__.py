"""Avro and Protocol Buffers schemas: definitions, revisions, message validation."""
