"""Push delivery: the sender tasks of each push subscription, its window, backoff, tokens and connections."""
