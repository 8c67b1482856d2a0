"""Tests that the real services start with exactly the environment that Cloud Run is sent."""

import json
import re
import sys
from pathlib import Path

import pytest

from console.stack.ports import free_port
from console.stack.process import Launch, Process, ProcessWatcher, wait_until_healthy
from tests.terraform.lifecycle import Lifecycle
from tests.terraform.rehearsal import COMMANDS

pytestmark = pytest.mark.timeout(600)

#: Credentials of no account. On Cloud Run, a server gives the service those of its account.
CREDENTIALS = {"type": "authorized_user", "client_id": "x", "client_secret": "x", "refresh_token": "x"}


@pytest.mark.parametrize("name", COMMANDS)
def test_service_starts_with_exactly_the_environment_that_is_sent(
    lifecycle: Lifecycle, tmp_path: Path, name: str
) -> None:
    """A service becomes healthy with its applied environment, and warns only of the private networks.

    Added are the variables that Cloud Run sets, the values of secrets, and credentials.
    """
    credentials = tmp_path / "credentials.json"
    credentials.write_text(json.dumps(CREDENTIALS), encoding="utf-8")
    port = free_port()
    environment = {
        **lifecycle.environment(name),
        **dict.fromkeys(lifecycle.secret_variables(name), "the value of a secret"),
        # https://cloud.google.com/run/docs/container-contract#services-env-vars
        "PORT": str(port),
        "K_SERVICE": f"scrapeq-{name}",
        "K_REVISION": f"scrapeq-{name}-00001-abc",
        "K_CONFIGURATION": f"scrapeq-{name}",
        "GOOGLE_APPLICATION_CREDENTIALS": str(credentials),
    }
    log = tmp_path / "log"
    command = (sys.executable, "-m", *COMMANDS[name])
    with ProcessWatcher() as watcher:
        service = Process(
            Launch(name, command, environment, log, f"http://127.0.0.1:{port}/healthz"), watcher
        )
        try:
            wait_until_healthy(service)
        finally:
            service.kill()
    warnings = [
        line
        for line in log.read_text(encoding="utf-8").splitlines()
        if re.search(r"WARNING|ERROR|CRITICAL|Traceback", line) and "private_networks_allowed" not in line
    ]
    assert warnings == []
