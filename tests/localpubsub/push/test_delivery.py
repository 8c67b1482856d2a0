"""Tests of push delivery: reused connections and tokens, and the pauses after nacks.

The numbers of behaviours refer to the table in localpubsub/README.md.
"""

import asyncio
import json
import urllib.request
from itertools import pairwise

import pytest
from google.pubsub_v1.types import PushConfig

from localpubsub.broker.broker import Broker
from localpubsub.clock import Clock
from localpubsub.protocol.messages import PubsubMessage
from localpubsub.protocol.messages import Subscription as SubscriptionMessage
from localpubsub.protocol.messages import Topic as TopicMessage
from localpubsub.push.deliveries import PushDeliveries
from localpubsub.push.delivery import PushContext
from localpubsub.push.tokens import Tokens
from localpubsub.push.window import PushWindow
from localpubsub.storage.store import Store
from tests.servers.pubsub_client import PubsubClient, running_localpubsub
from tests.servers.push_endpoint import Push, PushEndpoint, Response, running_endpoint
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until


def test_connection_is_reused_for_many_pushes() -> None:
    """Thirty pushes, sent one after another, use no more connections than the initial push window (5)."""
    with running_endpoint() as endpoint, running_localpubsub() as pubsub:
        topic = pubsub.topic()
        pubsub.subscription(topic, push_config=PushConfig(push_endpoint=endpoint.url))
        for sent in range(1, 31):
            pubsub.publish(topic, b"x")
            endpoint.wait_for(sent)
    assert endpoint.connections <= 5


def test_token_is_reused_for_many_pushes() -> None:
    """Behaviour 17: forty pushes with two audiences carry only two different tokens."""
    with running_endpoint() as endpoint, running_localpubsub() as pubsub:
        topic = pubsub.topic()
        for audience in ("one", "other"):
            oidc = PushConfig.OidcToken(service_account_email="a@b.example", audience=audience)
            pubsub.subscription(topic, push_config=PushConfig(push_endpoint=endpoint.url, oidc_token=oidc))
        pubsub.publish(topic, *[b"x"] * 20)
        pushes = endpoint.wait_for(40)
    assert len({push.headers["authorization"] for push in pushes}) == 2


class SteppingClock(Clock):
    """A clock that is moved only by timers that end within ten seconds, by at most 0.1 s for each check.

    It stands still during a push. So the pauses between pushes can be measured exactly, even on a busy
    machine.
    """

    def __init__(self) -> None:
        super().__init__()
        self.time = 1_800_000_000.0

    def now(self) -> float:
        """Return the time that the clock has been moved to."""
        return self.time

    def real_seconds_until(self, when: float) -> float:
        """Move the clock towards ``when``, unless that is more than 10 s away, like an ack deadline."""
        if when - self.time > 10:
            return MAX_WAIT_SECONDS
        self.time = max(self.time, min(when, self.time + 0.1))
        return 0.0


async def pauses_after_nacks(endpoint: PushEndpoint, count: int, minimum: int, maximum: int) -> list[float]:
    """Push one message to an endpoint that nacks it; return the pauses between the pushes.

    The pauses are in seconds of the server's clock. The backoffs ``minimum`` and ``maximum`` of the retry
    policy are in milliseconds.
    """
    clock = SteppingClock()
    times: list[float] = []

    def respond(_: Push) -> Response:
        times.append(clock.time)
        return 503

    endpoint.respond = respond
    store = Store(None)
    broker = Broker(store, clock)
    pushes = PushDeliveries(PushContext(broker, Tokens(None, clock)), lambda: PushWindow(1000))
    topic = TopicMessage(name="projects/p/topics/topic")
    await broker.catalogue.create_topic(topic)
    subscription = SubscriptionMessage(name="projects/p/subscriptions/sub", topic=topic.name)
    subscription.ack_deadline_seconds = 600
    subscription.push_config.push_endpoint = endpoint.url
    subscription.retry_policy.minimum_backoff.FromMilliseconds(minimum)
    subscription.retry_policy.maximum_backoff.FromMilliseconds(maximum)
    await broker.catalogue.create_subscription(subscription)
    await broker.publish(topic.name, [PubsubMessage(data=b"x")])
    await asyncio.to_thread(endpoint.wait_for, count + 1)
    await pushes.close(MAX_WAIT_SECONDS)
    await broker.close()
    store.close()
    return [after - before for before, after in pairwise(times[: count + 1])]


@pytest.mark.parametrize(
    ("minimum", "maximum", "expected"),
    [(0, 0, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2]), (1500, 6000, [1.5, 3.0, 6.0, 6.0, 6.0, 6.0])],
    ids=["push backoff is longer", "retry policy is longer"],
)
def test_push_waits_for_the_longer_of_push_backoff_and_retry_policy(
    minimum: int, maximum: int, expected: list[float]
) -> None:
    """Behaviour 16: a nacked message waits for the longer of the two pauses, not for their sum."""
    with running_endpoint() as endpoint:
        pauses = asyncio.run(pauses_after_nacks(endpoint, len(expected), minimum, maximum))
    assert pauses == pytest.approx(expected, abs=0.05)


def window_of(pubsub: PubsubClient) -> int:
    """Return the size of the window of the only subscription, as the state page shows it."""
    with urllib.request.urlopen(f"{pubsub.server.http_url}/state.json") as response:  # noqa: S310 - the test's own server
        (subscription,) = json.load(response)["subscriptions"]
    return int(subscription["window"])


@pytest.mark.parametrize("floor", [40, 5])
def test_push_window_is_not_reduced_below_its_floor(floor: int) -> None:
    """Behaviour 14: 80 nacks reduce a window that has reached 40 to its floor, and not further."""
    with (
        running_endpoint() as endpoint,
        running_localpubsub(max_outstanding=40, window_floor=floor, time_scale=100) as pubsub,
    ):
        topic = pubsub.topic()
        push = PushConfig(push_endpoint=endpoint.url)
        pubsub.subscription(topic, push_config=push, ack_deadline_seconds=600)
        pubsub.publish(topic, *[b"x"] * 400)
        wait_until(lambda: window_of(pubsub) == 40)
        endpoint.respond = lambda _: 503
        pubsub.publish(topic, *[b"x"] * 400)
        endpoint.wait_for(len(endpoint.pushes) + 80)
        wait_until(lambda: window_of(pubsub) == floor)
        endpoint.wait_for(len(endpoint.pushes) + floor)
        assert window_of(pubsub) == floor
