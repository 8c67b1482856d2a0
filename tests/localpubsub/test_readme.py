"""Runs the examples of localpubsub's README in a new folder, with only their port numbers changed."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from console.stack.ports import free_port
from tests.localpubsub.readme import README, block
from tests.repository.tree import ROOT
from tests.servers.processes import is_listening
from tests.servers.waiting import wait_until


@pytest.fixture
def ports() -> Callable[[str], str]:
    """Return a function that replaces the port numbers of the README by those of free ports."""
    numbers = {number: free_port() for number in ("8085", "8086", "5000")}
    return lambda text: re.sub(r"\b(8085|8086|5000)\b", lambda match: str(numbers[match[1]]), text)


@pytest.fixture
def folder(tmp_path: Path, ports: Callable[[str], str]) -> Iterator[Path]:
    """Start the server and the application of the README in a new folder, and return the folder."""
    (tmp_path / "pubsub.yaml").write_text(ports(block("yaml", "subscriptions:")))
    (tmp_path / "app.py").write_text(ports(block("python", "flask")))
    serve, run = commands()[:2]
    if shutil.which("python", path=Path(sys.executable).parent) is None:
        pytest.skip("the interpreter of these tests is not called python")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONPATH"] = str(ROOT)
    with ExitStack() as running:
        for command in (f"{serve} --port 8085 --http-port 8086", run):
            process = subprocess.Popen(
                ["env", *shlex.split(ports(command))],
                cwd=tmp_path,
                env=environment,
                stderr=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            running.callback(process.wait, 20)
            running.callback(process.terminate)
        yield tmp_path


def commands() -> list[str]:
    """Return the command lines of the README's example."""
    return [line.removeprefix("$ ") for line in block("console", "--setup").splitlines()]


def curl(command: str) -> dict[str, Any]:
    """Wait until the server listens, send the request of a curl command, and return the JSON response."""
    found = re.fullmatch(r"curl (\S+) -d '(.*)'", command)
    assert found, command
    url, body = found.groups()
    wait_until(lambda: is_listening(urlsplit(url).port), f"{url} is served")
    with urllib.request.urlopen(url, body.encode(), timeout=120) as response:  # noqa: S310 - the test's own server
        parsed: dict[str, Any] = json.load(response)
        return parsed


@pytest.mark.usefixtures("folder")
def test_readme_example_works(ports: Callable[[str], str]) -> None:
    """In the README's example, the message that the application rejects becomes a dead letter."""
    publish, pull = (ports(command) for command in commands()[2:])
    wait_until(lambda: is_listening(int(ports("5000"))), "flask listens")
    curl(publish.replace("cG9pc29u", "Ym9vaw=="))  # the application accepts this message
    curl(publish)
    (received,) = curl(pull)["receivedMessages"]
    attributes = received["message"]["attributes"]
    assert attributes["CloudPubSubDeadLetterSourceSubscription"] == "orders-push"
    assert attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    with urllib.request.urlopen(ports("http://127.0.0.1:8086/state.json"), timeout=120) as response:  # noqa: S310 - the test's own server
        backlogs = [subscription["backlog"] for subscription in json.load(response)["subscriptions"]]
    assert backlogs == [1, 0], "only the dead letter remains"


def test_readme_example_of_pytest_works(tmp_path: Path) -> None:
    """The tests of the README pass in a folder of their own, with the fixture of the installed plugin."""
    (tmp_path / "app.py").write_text(block("python", "flask"))
    (tmp_path / "test_app.py").write_text(block("python", "make_server"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_readme_table_has_every_option() -> None:
    """The README's table has every option of the command and no unknown ones."""
    named = set(re.findall(r"^\| `--([a-z-]+)", README, re.MULTILINE))
    command = [sys.executable, "-m", "localpubsub", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    options = [set(re.findall(r"--([a-z-]+)", line)) for line in re.findall(r"^  (--.*)", text, re.MULTILINE)]
    assert named <= set.union(*options)
    assert [names for names in options if not names & named] == []
