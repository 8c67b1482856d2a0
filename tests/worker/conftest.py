"""Real small things that the worker's tests share: a site on a socket, keys, a worker around them."""

from collections.abc import Iterator

import pytest

import localpubsub
from tests.servers.push_tokens import Issuer
from tests.servers.worker_process import OUTCOMES_SUBSCRIPTION, OUTCOMES_TOPIC


@pytest.fixture(scope="session")
def pubsub() -> Iterator[str]:
    """A running Pub/Sub, with the outcomes topic and a subscription to it; its host:port."""
    setup = {
        "topics": [OUTCOMES_TOPIC],
        "subscriptions": [{"name": OUTCOMES_SUBSCRIPTION, "topic": OUTCOMES_TOPIC}],
    }
    with localpubsub.running(setup=setup, log_level="error") as server:
        yield server.host


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """Whoever signs certificates."""
    return Issuer()
