"""How a release reaches the cloud: builds, the smoke test after them, and the guide."""
