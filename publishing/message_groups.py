"""Sends messages that several threads publish at about the same time together, whatever the broker."""

import math
import time
from collections.abc import Callable
from threading import Event, Lock
from typing import Generic, TypeVar

MAX_GROUP_MESSAGES = 1000  #: maximum number of messages of a group; also Pub/Sub's limit of a request
#: Maximum size of a group of several messages. Pub/Sub's limit of a request is 10 MB (its quotas page).
MAX_GROUP_BYTES = 4_000_000
#: Messages share a group only if none has more than this multiple of another one's time: it ends at the
#: earliest deadline, and the last attempt to send a message again may have some milliseconds left.
MAX_TIME_RATIO = 2

OutgoingT = TypeVar("OutgoingT")


class SenderStopped(Exception):
    """The thread that was sending a message for another thread was stopped; the broker may have it."""


class _Group(Generic[OutgoingT]):
    """Messages that are sent together, by the thread that published the first of them.

    Attributes:
        messages: the messages, in the order in which they were published.
        size: number of bytes of the messages.
        deadline: the earliest one of the messages' deadlines, monotonic seconds.
        finished: set when `results` has for each message its id, or why it is not confirmed.
    """

    __slots__ = ("deadline", "finished", "messages", "results", "size")

    def __init__(self, message: OutgoingT, size: int, deadline: float) -> None:
        self.messages = [message]
        self.size = size
        self.deadline = deadline
        self.finished = Event()
        self.results: list[Exception | str] = []

    def has_place_for(self, size: int, deadline: float) -> bool:
        if len(self.messages) == MAX_GROUP_MESSAGES or self.size + size > MAX_GROUP_BYTES:
            return False
        now = time.monotonic()
        shorter, longer = sorted((self.deadline - now, deadline - now))
        return longer <= MAX_TIME_RATIO * shorter

    def add(self, message: OutgoingT, size: int, deadline: float) -> None:
        self.messages.append(message)
        self.size += size
        self.deadline = min(self.deadline, deadline)


class MessageGroups(Generic[OutgoingT]):
    """Sends single messages, those of several threads together.

    A message is sent at once if none was sent in the last `seconds_between_groups`. Until they are over,
    further messages are collected, and are then sent together. No group waits for the confirmation of another
    one, so that one that hangs delays no others. There is no thread for this: the caller whose message is the
    first of a group sends it, and the others wait.

    Messages of an ordering key that several threads publish at the same time have no order.

    Args:
        send: sends messages once; returns for each its id, or why it is not confirmed. Its arguments are the
            messages, and until when to wait for the confirmations, monotonic seconds.
        seconds_between_groups: pause between the starts of two groups.
    """

    def __init__(
        self, send: Callable[[list[OutgoingT], float], list[Exception | str]], seconds_between_groups: float
    ) -> None:
        self._send = send
        self._seconds_between_groups = seconds_between_groups
        self._lock = Lock()
        self._collecting: _Group[OutgoingT] | None = None  # the group that further messages join
        self._last_group_at = -math.inf

    def publish(self, message: OutgoingT, size: int, deadline: float) -> Exception | str:
        """Send a message; return its id once the broker has confirmed it, or why it is not confirmed.

        Args:
            message: the message.
            size: its number of bytes.
            deadline: until when to wait, monotonic seconds. If a message that is sent in the same group has
                an earlier deadline, that one applies.
        """
        with self._lock:
            group = self._collecting
            if joins := group is not None and group.has_place_for(size, deadline):
                group.add(message, size, deadline)
            else:
                group = self._collecting = _Group(message, size, deadline)
            index = len(group.messages) - 1
        if not joins:
            self._send_group(group)
        elif not group.finished.wait(max(0.0, deadline - time.monotonic())):
            return TimeoutError("no response in time")
        return group.results[index]

    def _send_group(self, group: _Group[OutgoingT]) -> None:
        """Collect messages until the next group may be sent, and send them."""
        failure: Exception = SenderStopped("the thread that was to send this message was stopped")
        try:
            send_at = min(self._last_group_at + self._seconds_between_groups, group.deadline)
            if (pause := send_at - time.monotonic()) > 0:
                time.sleep(pause)
            self._close(group)
            self._last_group_at = time.monotonic()
            group.results = self._send(group.messages, group.deadline)
        except Exception as error:  # noqa: BLE001 - each message of the group gets the error
            failure = error
        finally:
            self._close(group)
            group.results = group.results or [failure] * len(group.messages)
            group.finished.set()

    def _close(self, group: _Group[OutgoingT]) -> None:
        """Let no further message join the group."""
        with self._lock:
            if self._collecting is group:
                self._collecting = None
