"""Waiting for a fact, and not for seconds."""

import time
from collections.abc import Callable


def await_fact(fact: Callable[[], bool], promise: str, seconds: float = 30) -> None:
    """Return once `fact` holds; fail with `promise` if it does not within `seconds`."""
    until = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < until, f"not within {seconds} s: {promise}"
        time.sleep(0.05)
