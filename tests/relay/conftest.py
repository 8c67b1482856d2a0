"""Defines the brokers and the endpoint of the relay's tests."""

from collections.abc import Iterator

import pytest

from tests.relay.brokers import BROKERS, BrokerUnderTest
from tests.relay.worker_endpoint import WorkerEndpoint, running_endpoint


@pytest.fixture(scope="module", params=BROKERS)
def broker(request: pytest.FixtureRequest) -> BrokerUnderTest:
    """Each broker in turn; its server is started once."""
    server, driver = BROKERS[request.param]
    return driver(request.getfixturevalue(server))


@pytest.fixture
def endpoint() -> Iterator[WorkerEndpoint]:
    """An endpoint in the place of the worker."""
    with running_endpoint() as running:
        yield running


@pytest.fixture(autouse=True)
def _skip_what_the_broker_cannot_do(request: pytest.FixtureRequest) -> None:
    """Skip the test of a promise that a broker cannot keep, with the broker's reason."""
    marker = request.node.get_closest_marker("promise")
    if marker is not None:
        under_test: BrokerUnderTest = request.getfixturevalue("broker")
        if why := under_test.cannot.get(marker.args[0]):
            pytest.skip(f"cannot, because {why}")
