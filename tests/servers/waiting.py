"""Wait for a fact, never for a fixed time."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

Read = TypeVar("Read")

#: Seconds to wait for a fact before the test fails. Only a failing test waits that long, and a busy machine
#: may need most of it.
MAX_WAIT_SECONDS: Final = 120.0
#: Seconds between two looks at a fact that nothing announces.
POLL_SECONDS: Final = 0.02


def wait_until(fact: Callable[[], bool], describe: str = "", within: float = MAX_WAIT_SECONDS) -> None:
    """Return as soon as `fact()` is true.

    Args:
        fact: looked at every `POLL_SECONDS`.
        describe: the fact in words, for the error.
        within: seconds to wait at most.

    Raises:
        AssertionError: the fact did not become true in time.
    """
    wait_for(fact, bool, describe, within)


def wait_for(
    read: Callable[[], Read],
    accept: Callable[[Read], bool],
    describe: str = "",
    within: float = MAX_WAIT_SECONDS,
) -> Read:
    """Call `read` until `accept` is true of what it returns, and return that.

    Raises:
        AssertionError: no accepted value was read within `within` seconds; it shows the last one.
    """
    give_up_at = time.monotonic() + within
    while not accept(value := read()):
        if time.monotonic() > give_up_at:
            raise AssertionError(
                f"not within {within:.0f} s: {describe or 'the awaited fact'}; last: {value!r}"
            )
        time.sleep(POLL_SECONDS)
    return value
