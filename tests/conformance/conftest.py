"""One suite, many servers. ``@differs`` marks what the official emulator is known to do otherwise."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from google.pubsub_v1 import PublisherClient, SubscriberClient

from tests.conformance import servers
from tests.conformance.endpoint import PATIENCE, Endpoint, EndpointServer, own_address
from tests.conformance.servers import PubsubServer
from tests.conformance.workplace import Workplace


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker of this suite."""
    config.addinivalue_line("markers", "differs(seen): what the official emulator does instead")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An expected difference that disappears fails: the table of differences is then out of date."""
    for item in items:
        marker = item.get_closest_marker("differs")
        if marker is None or not isinstance(item, pytest.Function):
            continue
        if item.callspec.params["server"] == "emulator":
            item.add_marker(pytest.mark.xfail(strict=True, reason=f"official emulator: {marker.args[0]}"))


@pytest.fixture(scope="session", params=["localpubsub", pytest.param("emulator", marks=pytest.mark.emulator)])
def server(request: pytest.FixtureRequest) -> PubsubServer:
    """Each server."""
    started: PubsubServer = request.getfixturevalue(f"{request.param}_server")
    return started


@pytest.fixture(scope="session")
def clients(server: PubsubServer) -> Iterator[tuple[PublisherClient, SubscriberClient]]:
    """Clients of every call, without the batching of google-cloud-pubsub."""
    with servers.gapic_clients(server.host) as made:
        yield made


@pytest.fixture
def patience(request: pytest.FixtureRequest, server: PubsubServer) -> float:
    """Seconds a test waits for a fact: not long where the fact is known not to come."""
    return 2.0 if server.name == "emulator" and request.node.get_closest_marker("differs") else PATIENCE


@pytest.fixture
def pubsub(
    server: PubsubServer, patience: float, clients: tuple[PublisherClient, SubscriberClient]
) -> Iterator[Workplace]:
    """Clients and unused names."""
    workplace = Workplace(server, patience, *clients)
    yield workplace
    workplace.stop_pushing()


@contextmanager
def serving(patience: float) -> Iterator[Endpoint]:
    """An endpoint that answers 204 until told otherwise."""
    endpoint = Endpoint(patience)
    with EndpointServer(endpoint, own_address()) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield endpoint
        finally:
            http.shutdown()
            thread.join()


@pytest.fixture
def endpoint(patience: float) -> Iterator[Endpoint]:
    """A push endpoint."""
    with serving(patience) as made:
        yield made


@pytest.fixture
def other_endpoint(patience: float) -> Iterator[Endpoint]:
    """A second one."""
    with serving(patience) as made:
        yield made
