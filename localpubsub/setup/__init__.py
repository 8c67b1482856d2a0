"""Topics and subscriptions that a setup file asks for at start."""
