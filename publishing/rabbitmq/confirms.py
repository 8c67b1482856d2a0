"""Matches the confirms of a channel with the messages that were published on it.

https://www.rabbitmq.com/docs/confirms#publisher-confirms: the messages of a channel are numbered from 1. A
confirm names one number, or with `multiple` all up to it. A message that no queue takes is first returned
(`mandatory`), and then confirmed nevertheless.
"""

from typing import Protocol

import pika
from pika import spec


class NotConfirmed(Exception):
    """RabbitMQ did not take a message; the text says why.

    Attributes:
        is_transient: whether the same message may be taken later.
    """

    def __init__(self, why: str, *, is_transient: bool) -> None:
        super().__init__(why)
        self.is_transient = is_transient


class Confirmation(Protocol):
    """A future of asyncio or of threads, whose result is the message's id."""

    def set_result(self, result: str, /) -> None:
        """Set the result."""

    def set_exception(self, exception: BaseException, /) -> None:
        """Set the exception."""

    def done(self) -> bool:
        """Return whether the result or the exception is set."""


class Confirms:
    """The messages of one channel that are not confirmed yet."""

    def __init__(self) -> None:
        self._last = 0
        self._pending: dict[int, tuple[str, Confirmation]] = {}
        self._returned: dict[str, str] = {}

    def add(self, message_id: str, confirmation: Confirmation) -> None:
        """Add the message that is published next on the channel."""
        self._last += 1
        self._pending[self._last] = (message_id, confirmation)

    def confirm(self, frame: pika.frame.Method) -> None:
        """Apply a `basic.ack` or `basic.nack`."""
        number = frame.method.delivery_tag
        numbers = [number]
        if frame.method.multiple:
            # A dictionary keeps the order of insertion, so these are the first ones.
            numbers = []
            for each in self._pending:
                if each > number:
                    break
                numbers.append(each)
        is_nack = isinstance(frame.method, spec.Basic.Nack)
        for each in numbers:
            message_id, confirmation = self._pending.pop(each)
            why = self._returned.pop(message_id, "") if self._returned else ""
            if confirmation.done():
                continue
            if is_nack:
                full = (
                    "RabbitMQ rejected the message (basic.nack): a queue of the topic is full or unavailable"
                )
                confirmation.set_exception(NotConfirmed(full, is_transient=True))
            elif why:
                confirmation.set_exception(NotConfirmed(why, is_transient=False))
            else:
                confirmation.set_result(message_id)

    def return_message(self, method: spec.Basic.Return, found: pika.BasicProperties) -> None:
        """Remember that no queue took a message; its confirm follows."""
        where = f"exchange {method.exchange}" if method.exchange else f"queue {method.routing_key}"
        self._returned[found.message_id] = (
            f"no queue of RabbitMQ takes messages of the {where} ({method.reply_text});"
            " `python -m relay --create` creates the queues"
        )

    def fail(self, why: str) -> None:
        """Fail all messages that are not confirmed, since their channel is closed."""
        pending = list(self._pending.values())
        self._pending.clear()
        self._returned.clear()
        for _, confirmation in pending:
            if not confirmation.done():
                confirmation.set_exception(NotConfirmed(why, is_transient=True))
