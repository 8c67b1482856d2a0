"""Runs each test on localpubsub and on the official emulator, which is Google's Pub/Sub emulator in gcloud.

``@emulator_differs`` marks a test that the official emulator does not pass, and states what the emulator
does instead; tests/conformance/differences.py has the source of each such statement.
"""

from collections.abc import Iterator

import grpc
import pytest
from google.pubsub_v1 import PublisherClient, SchemaServiceClient, SubscriberClient
from google.pubsub_v1.services.schema_service.transports import SchemaServiceGrpcTransport

from tests.conformance.differences import DIFFERENCES
from tests.servers import pubsub as servers
from tests.servers.pubsub import PubsubServer
from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import PushEndpoint, running_endpoint
from tests.servers.waiting import MAX_WAIT_SECONDS


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker of this suite."""
    config.addinivalue_line(
        "markers", "emulator_differs(what, strict=True): what the official emulator does instead"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect each marked test to fail on the official emulator.

    If the emulator passes a marked test, the test fails, because the mark is out of date. A mark has
    ``strict=False`` if the emulator's behaviour depends on the order of concurrent requests.
    """
    for item in items:
        marker = item.get_closest_marker("emulator_differs")
        if marker is None or not isinstance(item, pytest.Function):
            continue
        if marker.args[0] not in DIFFERENCES:
            raise pytest.UsageError(
                f"{item.nodeid}: tests/conformance/differences.py has no {marker.args[0]!r}"
            )
        if item.callspec.params["server"] == "emulator":
            strict = marker.kwargs.get("strict", True)
            item.add_marker(pytest.mark.xfail(strict=strict, reason=f"official emulator: {marker.args[0]}"))


@pytest.fixture(scope="session", params=["localpubsub", pytest.param("emulator", marks=pytest.mark.emulator)])
def server(request: pytest.FixtureRequest) -> PubsubServer:
    """The server under test: localpubsub or the official emulator."""
    started: PubsubServer = request.getfixturevalue(f"{request.param}_server")
    return started


@pytest.fixture(scope="session")
def clients(server: PubsubServer) -> Iterator[tuple[PublisherClient, SubscriberClient]]:
    """Clients that send each call immediately, without the batching of google-cloud-pubsub."""
    with servers.gapic_clients(server.host) as made:
        yield made


@pytest.fixture
def timeout(request: pytest.FixtureRequest, server: PubsubServer) -> float:
    """Seconds that a test waits for an event.

    They are few if the emulator is known to differ, because then the event usually never happens.
    """
    return (
        2.0
        if server.name == "emulator" and request.node.get_closest_marker("emulator_differs")
        else MAX_WAIT_SECONDS
    )


@pytest.fixture
def pubsub(
    server: PubsubServer, timeout: float, clients: tuple[PublisherClient, SubscriberClient]
) -> Iterator[PubsubClient]:
    """Clients of the server under test, with resource names that only this test uses."""
    client = PubsubClient(server, timeout, *clients)
    yield client
    client.stop_pushing()


@pytest.fixture
def endpoint(timeout: float) -> Iterator[PushEndpoint]:
    """A push endpoint that records its pushes."""
    with running_endpoint(timeout) as made:
        yield made


@pytest.fixture
def other_endpoint(timeout: float) -> Iterator[PushEndpoint]:
    """A second push endpoint that records its pushes."""
    with running_endpoint(timeout) as made:
        yield made


@pytest.fixture(scope="session")
def schemas(server: PubsubServer) -> Iterator[SchemaServiceClient]:
    """The official client of SchemaService."""
    with grpc.insecure_channel(server.host) as channel:
        yield SchemaServiceClient(transport=SchemaServiceGrpcTransport(channel=channel))
