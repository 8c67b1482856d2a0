"""What a service process needs from its environment: settings, read once, and structured logs."""
