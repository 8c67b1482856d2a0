"""Tests that the real services start with exactly the environment that Cloud Run is sent."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from console.stack.ports import free_port
from console.stack.process import Launch, Process, ProcessWatcher, wait_until_healthy
from dispatcher.settings import DispatcherSettings
from tests.terraform.lifecycle import Lifecycle
from tests.terraform.rehearsal import COMMANDS

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


def test_dispatcher_has_the_same_number_of_threads_on_every_machine(lifecycle: Lifecycle) -> None:
    """Without THREADS, functions-framework would count the processors when the container starts."""
    environment = lifecycle.environment("dispatcher")
    assert "THREADS" not in environment
    source = COMMANDS["dispatcher"][COMMANDS["dispatcher"].index("--source") + 1]
    program = (
        "import functions_framework, functions_framework._http.gunicorn as server\n"
        f"application = functions_framework.create_app('dispatch', {source!r})\n"
        "print(server.GunicornApplication(application, '127.0.0.1', 0, False).options['threads'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "K_SERVICE": "x", "PUBSUB_EMULATOR_HOST": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert int(done.stdout) == DispatcherSettings.model_fields["threads"].default
