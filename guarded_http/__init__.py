"""An HTTP client for URLs from outside: checked addresses, bounded time and size, no environment."""
