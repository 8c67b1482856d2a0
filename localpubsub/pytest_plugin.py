"""Provides the pytest fixture ``pubsub``: a server for the session, which is empty at the start of each test.

A project uses it by installing localpubsub; no import is needed. The module imports the server only when a
test uses the fixture.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from localpubsub.testing import PubsubServer

if TYPE_CHECKING:
    from localpubsub.background_server import RunningServer


@pytest.fixture(scope="session")
def pubsub_options() -> Mapping[str, Any]:
    """Options of the server, fields of ``localpubsub.Options``; a project's conftest.py may override them."""
    return {}


@pytest.fixture(scope="session")
def pubsub_server(pubsub_options: Mapping[str, Any]) -> Iterator["RunningServer"]:
    """The server of the session, which keeps everything in memory; most tests use ``pubsub`` instead."""
    import localpubsub  # noqa: PLC0415 - see above

    with localpubsub.running(**pubsub_options) as server:
        yield server


@pytest.fixture
def pubsub(pubsub_server: "RunningServer", monkeypatch: pytest.MonkeyPatch) -> Iterator[PubsubServer]:
    """An empty Pub/Sub, to which all official clients connect that are created during the test.

    The environment variables PUBSUB_EMULATOR_HOST and PUBSUB_PROJECT_ID are set, as by
    ``gcloud beta emulators pubsub env-init``.
    """
    server = PubsubServer(pubsub_server.host, pubsub_server.http_url, pubsub_server.certs_url)
    server.reset()
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.host)
    monkeypatch.setenv("PUBSUB_PROJECT_ID", server.project)
    yield server
    server.reset()
