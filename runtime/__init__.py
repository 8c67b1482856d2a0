"""What each service process needs at its start: settings from the environment, and structured logs."""
