"""Fixtures: a separate Pub/Sub project for each test, on localpubsub and on the official emulator."""

import shutil
from pathlib import Path

import pytest

from tests.scripts.replay_project import ReplayProject
from tests.servers.pubsub import PubsubServer
from tests.servers.requirements import skip_or_fail


@pytest.fixture(params=["localpubsub", pytest.param("emulator", marks=pytest.mark.emulator)])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> ReplayProject:
    """Return a new project for each test, on localpubsub and on the official emulator."""
    return _project(request.getfixturevalue(f"{request.param}_server"), tmp_path)


@pytest.fixture
def local_project(localpubsub_server: PubsubServer, tmp_path: Path) -> ReplayProject:
    """Return a new project on localpubsub, for tests whose result does not depend on the server."""
    return _project(localpubsub_server, tmp_path)


def _project(server: PubsubServer, config: Path) -> ReplayProject:
    if shutil.which("gcloud") is None:
        skip_or_fail("gcloud is not installed")
    project = ReplayProject(server, config)
    project.create()
    return project
