"""Tests the imports of a starting worker: slow packages that a push does not need are not imported."""

import subprocess
import sys

from tests.repository.tree import ROOT
from tests.servers.worker_process import environment

SLOW_IMPORTS = {"aiohttp", "google.cloud.logging", "localpubsub", "rich", "yaml"}
START_PROGRAM = """
import sys
import worker.gunicorn_conf, worker.main
worker.main.create_app()
print(*sys.modules)
"""


def test_the_worker_imports_no_slow_package_that_it_does_not_need() -> None:
    """Starting a worker without push authentication imports neither SLOW_IMPORTS nor cachecontrol."""
    variables = environment(GOOGLE_CLOUD_PROJECT="p", PUBSUB_EMULATOR_HOST="127.0.0.1:1", PUSH_AUTH="none")
    started = subprocess.run(
        [sys.executable, "-c", START_PROGRAM],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    imported = set(started.stdout.splitlines()[-1].split())
    assert "worker.main" in imported
    assert imported.isdisjoint(SLOW_IMPORTS)
    assert imported.isdisjoint({"cachecontrol"}), "cachecontrol is needed only if pushes are authenticated"
