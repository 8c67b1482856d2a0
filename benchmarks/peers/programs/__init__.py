"""Programs of the systems that are compared. They run in an environment of their own (`locks/peers.txt`)."""
