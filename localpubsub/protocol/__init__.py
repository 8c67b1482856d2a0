"""Defines the wire format: gRPC descriptors, protobuf messages and JSON text."""
