"""Delivers messages by unary Pull and StreamingPull, and resolves ack ids."""
