"""Real small things that the worker's tests share: a site on a socket, keys, a worker around them."""

from collections.abc import Iterator

import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

import localpubsub
from tests.service.recording import RecordingPublisher
from tests.service.site import Site, open_site
from tests.service.tokens import Issuer

TOPIC, KEPT = "projects/p/topics/scrape-outcomes", "projects/p/subscriptions/kept"


@pytest.fixture(scope="session")
def pubsub() -> Iterator[str]:
    """A running Pub/Sub, with the outcomes topic and a subscription to it; its host:port."""
    with localpubsub.running(log_level="error") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUBSUB_EMULATOR_HOST", server.host)
        topics = PublisherClient()
        topics.create_topic(name=TOPIC, timeout=10)
        with SubscriberClient() as subscriptions:
            subscriptions.create_subscription(name=KEPT, topic=TOPIC, timeout=10)
        topics.stop()
        patch.undo()
        yield server.host


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of this test's own."""
    with open_site() as site:
        yield site


@pytest.fixture
def publisher() -> RecordingPublisher:
    """A publisher of the outcomes topic that confirms."""
    return RecordingPublisher()


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """Whoever signs certificates."""
    return Issuer()
