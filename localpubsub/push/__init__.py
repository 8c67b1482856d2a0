"""Delivers messages to push endpoints with sender tasks, push windows, backoff, tokens and connections."""
