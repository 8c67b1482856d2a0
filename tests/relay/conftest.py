"""Defines the brokers and the endpoint of the relay's tests."""

from collections.abc import Iterator

import pytest

from tests.relay.broker_under_test import BrokerUnderTest
from tests.relay.brokers import BROKERS, COLUMNS
from tests.relay.promises import CELL
from tests.relay.worker_endpoint import WorkerEndpoint, running_endpoint


@pytest.fixture(scope="module", params=BROKERS)
def broker(request: pytest.FixtureRequest) -> BrokerUnderTest:
    """Each broker that has a relay, in turn, unless a test names others; its server is started once."""
    server, driver = COLUMNS[request.param]
    return driver(request.getfixturevalue(server))


@pytest.fixture
def endpoint() -> Iterator[WorkerEndpoint]:
    """An endpoint in the place of the worker."""
    with running_endpoint() as running:
        yield running


@pytest.fixture(autouse=True)
def _respect_what_the_broker_documents(request: pytest.FixtureRequest) -> None:
    """Skip the test of a promise that the broker cannot keep; note which one it keeps as a best effort."""
    marker = request.node.get_closest_marker("promise")
    if marker is not None:
        under_test: BrokerUnderTest = request.getfixturevalue("broker")
        if why := under_test.cannot.get(marker.args[0]):
            pytest.skip(f"cannot, because {why}")
        if why := under_test.best_effort.get(marker.args[0]):
            request.node.user_properties.append((CELL, f"best effort, because {why}"))


@pytest.fixture(autouse=True)
def _delete_partitions(request: pytest.FixtureRequest) -> Iterator[None]:
    """Delete the partitions of a test at its end: other tests create the same queues without them."""
    yield
    if "rabbitmq_server" in request.fixturenames:
        server = request.getfixturevalue("rabbitmq_server")
        if any(".partition-" in queue for queue in server.queues):
            server.delete_queues()
