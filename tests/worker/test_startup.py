"""Tests the start-up check of the services, as processes whose network comes up late."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import requests

from console.stack.ports import free_port
from tests.repository.tree import ROOT
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until
from tests.servers.worker_process import running_worker

Get = Callable[[str], tuple[int, str]]


@contextmanager
def running_dispatcher(log: Path, **variables: str) -> Iterator[Get]:
    """Run a dispatcher; yield a function that requests a path and returns status and body."""
    port = free_port()
    command = (
        *(sys.executable, "-m", "functions_framework", "--source", str(ROOT / "dispatcher" / "main.py")),
        *("--target", "dispatch", "--host", "127.0.0.1", "--port", str(port)),
    )
    environment = {**os.environ, "GOOGLE_CLOUD_PROJECT": "p", **variables}
    with log.open("ab") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
    try:
        get = partial(_get, port)
        wait_until(lambda: get("/healthz")[0] == 200, "the dispatcher answers")
        yield get
    finally:
        process.terminate()
        process.wait(timeout=MAX_WAIT_SECONDS)


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        response = requests.get(f"http://127.0.0.1:{port}{path}", timeout=MAX_WAIT_SECONDS)
    except requests.ConnectionError as error:
        return 0, str(error)
    return response.status_code, response.text


@contextmanager
def running_service(service: str, pubsub: str, folder: Path, hosts: str) -> Iterator[Get]:
    """Run a service that waits for one of `hosts`; yield a function that requests a path."""
    if service == "dispatcher":
        with running_dispatcher(
            folder / "log", PUBSUB_EMULATOR_HOST=pubsub, PUSH_AUTH="none", STARTUP_HOSTS=hosts
        ) as get:
            yield get
    else:
        with running_worker(pubsub, STARTUP_HOSTS=hosts) as worker:
            yield partial(_get, worker.port)


@pytest.mark.parametrize("service", ["worker", "dispatcher"])
def test_startup_check_succeeds_once_an_outside_host_can_be_reached(
    service: str, pubsub: str, tmp_path: Path
) -> None:
    """A running service is not ready until the outside host accepts a connection, but it is alive."""
    # Given an outside host that cannot be reached yet: its port is bound, so that no other program takes it
    outside = socket.socket()
    outside.bind(("127.0.0.1", 0))
    host = f"127.0.0.1:{outside.getsockname()[1]}"
    with outside, running_service(service, pubsub, tmp_path, host) as get:
        wait_until(lambda: get("/startup")[1].count("127.0.0.1") == 1, "Pub/Sub was reached")
        status, text = get("/startup")
        assert (status, host in text) == (503, True)
        assert get("/healthz")[0] == 200
        # When it can be reached
        outside.listen()
        # Then the service is ready
        wait_until(lambda: get("/startup")[0] == 200, "the outside host was reached")
        # And it stays ready, if the host cannot be reached any more
        outside.close()
        assert get("/startup")[0] == 200


@pytest.mark.parametrize("service", ["worker", "dispatcher"])
def test_startup_check_succeeds_offline_without_outside_hosts(service: str, tmp_path: Path) -> None:
    """A service on a laptop, without outside hosts, is ready even if it reaches nothing."""
    with running_service(service, "127.0.0.1:1", tmp_path, "") as get:
        assert get("/startup")[0] == 200
