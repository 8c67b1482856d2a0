"""Pull delivery: ack ids, unary Pull and StreamingPull."""
