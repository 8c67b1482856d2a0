"""Wakes the consumers of a subscription in the order of their turns."""

import asyncio
from collections.abc import Callable
from typing import Final

#: Seconds between the confirmation of a publish and the delivery of its messages to a consumer that waits for
#: messages. The Node client needs more than one iteration of its event loop for a response: without this time
#: it got 20 to 43 of 60 messages before their ids, with it as few as from Google's emulator (1 to 4).
RESPONSE_SECONDS: Final = 0.002


class Consumers:
    """Functions to call when messages are ready, the configuration has changed, or it was deleted.

    The consumer that was served least recently is called first, because the one that is called first usually
    takes the messages: for example, a nacked message goes to another stream than before.
    """

    def __init__(self) -> None:
        self._functions: dict[Callable[[], None], None] = {}

    def __bool__(self) -> bool:
        """Whether there are consumers."""
        return bool(self._functions)

    def add(self, function: Callable[[], None]) -> None:
        """Add a consumer, whose turn is after those of all others."""
        self._functions[function] = None

    def discard(self, function: Callable[[], None]) -> None:
        """Remove a consumer, if it was added."""
        self._functions.pop(function, None)

    def end_turn(self, function: Callable[[], None]) -> None:
        """Let all other consumers take their turns before this one, which has just got messages."""
        if function in self._functions:
            del self._functions[function]
            self._functions[function] = None

    def wake(self) -> None:
        """Call all consumers."""
        for function in tuple(self._functions):
            function()

    def wake_after_responses(self) -> None:
        """Call all consumers ``RESPONSE_SECONDS`` after a transaction with new messages was written.

        So the publisher hears the ids before the messages are delivered: a subscriber may look a message up
        by its id. It is no guarantee, neither here nor in Pub/Sub: they use different connections.
        """
        asyncio.get_running_loop().call_later(RESPONSE_SECONDS, self.wake)
