"""Enqueues messages some time after their transaction, in the order of publishing."""

from collections import deque

from localpubsub.alarm import Alarm
from localpubsub.broker.subscription import Subscription
from localpubsub.clock import Clock


class DelayedMessages:
    """Messages that are on disk, but not in the backlogs yet.

    One alarm serves all messages, because two timers of almost the same time may end in the wrong order: a
    timer that ends too early is set again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._alarm = Alarm(clock, self._enqueue_due)
        self._waiting: deque[tuple[float, Subscription, list[int]]] = deque()

    def add(self, subscription: Subscription, message_ids: list[int], delay: float) -> None:
        """Enqueue messages after ``delay`` seconds, which must be the same for all messages."""
        self._waiting.append((self._clock.now() + delay, subscription, message_ids))
        self._alarm.set(self._waiting[0][0])

    def _enqueue_due(self) -> None:
        """Enqueue the messages whose time has come, except for those that a seek has added already."""
        now = self._clock.now()
        while self._waiting and self._waiting[0][0] <= now:
            _, subscription, message_ids = self._waiting.popleft()
            if not subscription.deleted_or_detached:
                oldest = subscription.complete_before
                subscription.backlog.enqueue(each for each in message_ids if each > oldest)
                subscription.wake()
        self._alarm.set(self._waiting[0][0] if self._waiting else None)
