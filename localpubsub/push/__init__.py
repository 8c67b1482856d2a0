"""Push delivery: the sender of each push subscription, its window, backoff, tokens and connections."""
