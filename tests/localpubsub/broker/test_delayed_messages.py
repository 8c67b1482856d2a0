"""Tests that delayed messages are enqueued in the order of publishing."""

import asyncio
import math
from collections.abc import Callable
from contextvars import Context

from localpubsub.broker.delayed_messages import DelayedMessages
from localpubsub.broker.subscription import Subscription
from localpubsub.protocol.messages import Subscription as SubscriptionMessage
from tests.localpubsub.broker.stepped_broker import NAME, NOW, TOPIC, VirtualClock, VirtualLoop


class EarlyLoop(VirtualLoop):
    """An event loop whose timers end up to 1 ms too early, as those of uvloop."""

    def call_at(
        self, when: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call a function at the millisecond before ``when``."""
        return super().call_at(math.floor(when * 1000) / 1000, callback, *args, context=context)


def test_messages_of_almost_the_same_time_are_enqueued_in_the_order_of_publishing() -> None:
    """If the timer of the first message ends too early and is set again, the second one waits for it."""
    loop = EarlyLoop(NOW)
    subscription = Subscription(1, SubscriptionMessage(name=NAME, topic=TOPIC))
    delayed = DelayedMessages(VirtualClock(loop))
    for message_id, published_at in ((1, 0.0004), (2, 0.0010)):
        loop.now = NOW + published_at
        loop.call_soon(delayed.add, subscription, [message_id], 0.05)
        loop.settle()
    for now in (0.0502, 0.0512, 0.0532):
        loop.now = NOW + now
        loop.settle()
    loop.close()
    assert subscription.backlog.upcoming(3) == [1, 2]
