"""A project with dead letters in each Pub/Sub."""

import shutil
from pathlib import Path

import pytest

from tests.scripts.replay_project import PostOffice
from tests.servers.pubsub import PubsubServer
from tests.servers.requirements import skip_or_fail


@pytest.fixture(params=["localpubsub", pytest.param("emulator", marks=pytest.mark.emulator)])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> PostOffice:
    """A project of this test's own, in each server."""
    return _office(request.getfixturevalue(f"{request.param}_server"), tmp_path)


@pytest.fixture
def local_office(localpubsub_server: PubsubServer, tmp_path: Path) -> PostOffice:
    """A project of this test's own, for what no server decides."""
    return _office(localpubsub_server, tmp_path)


def _office(server: PubsubServer, config: Path) -> PostOffice:
    if shutil.which("gcloud") is None:
        skip_or_fail("gcloud is not installed")
    made = PostOffice(server, config)
    made.open()
    return made
