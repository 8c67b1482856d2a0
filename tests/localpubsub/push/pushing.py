"""Runs a broker with one push subscription, for tests that watch or end single pushes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.clock import Clock
from localpubsub.protocol.messages import PubsubMessage
from localpubsub.protocol.messages import Subscription as SubscriptionMessage
from localpubsub.protocol.messages import Topic as TopicMessage
from localpubsub.push.connection import Endpoint
from localpubsub.push.delivery import PushContext, PushDelivery
from localpubsub.push.tls import TlsContext
from localpubsub.push.tokens import Tokens
from localpubsub.push.window import PushWindow
from localpubsub.storage.store import Store
from tests.servers.waiting import MAX_WAIT_SECONDS

TOPIC = "projects/p/topics/jobs"
DEAD = "projects/p/topics/dead"


@dataclass
class Pushing:
    """A broker with a topic and a subscription of an ack deadline of 600 s and five delivery attempts."""

    broker: Broker
    subscription: Subscription

    async def publish(self, *data: bytes) -> None:
        """Publish messages."""
        await self.broker.publish(TOPIC, [PubsubMessage(data=each) for each in data])

    def start(self, endpoint: Endpoint, context: PushContext | None = None) -> PushDelivery:
        """Start the pushes to an endpoint."""
        context = context or PushContext(self.broker, Tokens(None, self.broker.clock))
        delivery = PushDelivery(context, self.subscription, PushWindow(100), endpoint)
        delivery.wake()
        return delivery

    async def stop(self, delivery: PushDelivery) -> None:
        """Stop the pushes, and wait until the last one has ended."""
        delivery.stop(abort=True)
        if delivery.senders:
            _, unfinished = await asyncio.wait(delivery.senders, timeout=MAX_WAIT_SECONDS)
            assert not unfinished


@asynccontextmanager
async def pushing(url: str, clock: Clock | None = None) -> AsyncIterator[Pushing]:
    """Run a broker with a subscription that pushes to ``url``; ``start`` starts the pushes."""
    store = Store(None)
    broker = Broker(store, clock or Clock(60))
    for name in (TOPIC, DEAD):
        await broker.catalogue.create_topic(TopicMessage(name=name))
    given = SubscriptionMessage(name="projects/p/subscriptions/sub", topic=TOPIC, ack_deadline_seconds=600)
    given.dead_letter_policy.dead_letter_topic = DEAD
    given.push_config.push_endpoint = url
    try:
        yield Pushing(broker, await broker.catalogue.create_subscription(given))
    finally:
        await broker.close()
        store.close()


def endpoint(url: str) -> Endpoint:
    """Return an endpoint of this URL."""
    return Endpoint(url, TlsContext())
