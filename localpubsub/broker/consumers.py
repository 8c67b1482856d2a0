"""Wakes the consumers of a subscription in the order of their turns."""

import asyncio
from collections.abc import Callable


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
        """Call all consumers once the tasks that await the transaction just written have continued.

        So the response to a publisher goes out before the messages are delivered: a subscriber may look a
        message up by the id that the publisher got. Such a task continues two iterations of the event loop
        after the confirmation of the transaction, because ``Journal.commit`` shields the confirmation.
        """
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, loop.call_soon, self.wake)
