"""Defines the fixtures of the tests of hostile pages."""

from collections.abc import Iterator

import pytest

from tests.hostile.barrage import running_pubsub


@pytest.fixture(scope="session")
def pubsub() -> Iterator[str]:
    """The host:port of a running Pub/Sub server, which has the outcomes topic and a subscription to it."""
    with running_pubsub() as host:
        yield host
