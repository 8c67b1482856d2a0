"""Sends messages again that failed with a transient error, whatever the broker."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

MIN_RETRY_PAUSE_SECONDS = 0.1  #: pause before failed messages are sent again; it doubles with each retry
MAX_RETRY_PAUSE_SECONDS = 2.0  #: longest pause between two retries

_Outgoing = TypeVar("_Outgoing")


def send_with_retries(
    send: Callable[[list[_Outgoing]], list[Exception | str]],
    messages: Sequence[_Outgoing],
    deadline: float,
    is_transient: Callable[[Exception], bool],
) -> list[Exception | str]:
    """Send messages, and until a deadline those again that failed with a transient error.

    Args:
        send: sends messages once; returns for each its id, or why it is not confirmed.
        messages: the messages.
        deadline: no retry begins after it, monotonic seconds.
        is_transient: returns whether a message with this error is sent again.

    Returns:
        For each message its id, or why it was not confirmed the last time.
    """
    results = send(list(messages))
    pause = MIN_RETRY_PAUSE_SECONDS
    while time.monotonic() + pause < deadline:
        failed = [
            index
            for index, result in enumerate(results)
            if isinstance(result, Exception) and is_transient(result)
        ]
        if not failed:
            break
        time.sleep(pause)
        pause = min(2 * pause, MAX_RETRY_PAUSE_SECONDS)
        again = send([messages[index] for index in failed])
        for index, result in zip(failed, again, strict=True):
            results[index] = result
    return results
