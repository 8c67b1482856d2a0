"""A Pub/Sub project of the test's own, on localpubsub and on the emulator."""

import shutil
from pathlib import Path

import pytest

from tests.scripts.replay_project import ReplayProject
from tests.servers.pubsub import PubsubServer
from tests.servers.requirements import skip_or_fail


@pytest.fixture(params=["localpubsub", pytest.param("emulator", marks=pytest.mark.emulator)])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> ReplayProject:
    """A project of the test's own, on each server."""
    return _project(request.getfixturevalue(f"{request.param}_server"), tmp_path)


@pytest.fixture
def local_project(localpubsub_server: PubsubServer, tmp_path: Path) -> ReplayProject:
    """A project of the test's own on localpubsub, for behaviour that does not depend on the server."""
    return _project(localpubsub_server, tmp_path)


def _project(server: PubsubServer, config: Path) -> ReplayProject:
    if shutil.which("gcloud") is None:
        skip_or_fail("gcloud is not installed")
    project = ReplayProject(server, config)
    project.create()
    return project
