"""Waits until a condition is true, so that no test sleeps for a fixed time."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

Read = TypeVar("Read")

#: Seconds to wait for a condition before the test fails. A test that succeeds waits only as long as
#: necessary; the limit is high because a busy machine is slow.
MAX_WAIT_SECONDS: Final = 240.0
#: Seconds between two checks of a condition.
POLL_SECONDS: Final = 0.02


def wait_until(fact: Callable[[], bool], describe: str = "", within: float = MAX_WAIT_SECONDS) -> None:
    """Return as soon as `fact()` is true.

    Args:
        fact: the condition; it is checked every `POLL_SECONDS`.
        describe: the condition in words, for the error message.
        within: maximum number of seconds to wait.

    Raises:
        AssertionError: `fact()` did not become true within `within` seconds.
    """
    wait_for(fact, bool, describe, within)


def wait_for(
    read: Callable[[], Read],
    accept: Callable[[Read], bool],
    describe: str = "",
    within: float = MAX_WAIT_SECONDS,
) -> Read:
    """Call `read` until `accept` returns true for the result, and return this result.

    Args:
        read: returns a new value; it is called every `POLL_SECONDS`.
        accept: returns whether a value is the awaited one.
        describe: the condition in words, for the error message.
        within: maximum number of seconds to wait.

    Raises:
        AssertionError: no value was accepted within `within` seconds; the message contains the last value.
    """
    give_up_at = time.monotonic() + within
    while not accept(value := read()):
        if time.monotonic() > give_up_at:
            raise AssertionError(
                f"not within {within:.0f} s: {describe or 'the awaited condition'}; last value: {value!r}"
            )
        time.sleep(POLL_SECONDS)
    return value
