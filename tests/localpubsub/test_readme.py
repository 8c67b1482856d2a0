"""The README's example, run as it stands, in a folder of its own."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from console.stack.ports import free_port
from tests.repository.tree import ROOT

README = (ROOT / "localpubsub" / "README.md").read_text(encoding="utf-8")
#: language and content of each block of code
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def block(language: str, having: str) -> str:
    """The one block that contains a text."""
    (found,) = (content for kind, content in BLOCKS if kind == language and having in content)
    return str(found)


@pytest.fixture
def ports() -> Callable[[str], str]:
    """Puts free ports in place of the README's."""
    numbers = {number: free_port() for number in ("8085", "8086", "5000")}
    return lambda text: re.sub(r"\b(8085|8086|5000)\b", lambda match: str(numbers[match[1]]), text)


@pytest.fixture
def folder(tmp_path: Path, ports: Callable[[str], str]) -> Iterator[Path]:
    """A new user's folder, with the server and the application running as the README says."""
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
    """The command lines of the example."""
    return [line.removeprefix("$ ") for line in block("console", "--setup").splitlines()]


def curl(command: str) -> dict[str, Any]:
    """What a curl command of the README answers, once the server answers at all."""
    found = re.fullmatch(r"curl (\S+) -d '(.*)'", command)
    assert found, command
    url, body = found.groups()
    until = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, body.encode(), timeout=120) as answer:  # noqa: S310 - our own
                answered: dict[str, Any] = json.load(answer)
                return answered
        except (ConnectionError, urllib.error.URLError):
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.1)  # a process that starts tells nobody


def wait_for_flask(port: int) -> None:
    """Return once something listens there."""
    until = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=120).close()
        except OSError:
            assert time.monotonic() < until, "flask did not start"
            time.sleep(0.1)  # a process that starts tells nobody
        else:
            return


@pytest.mark.usefixtures("folder")
def test_the_example_works(ports: Callable[[str], str]) -> None:
    """Signed pushes, five attempts, and the poison is found in the dead letters."""
    publish, pull = (ports(command) for command in commands()[2:])
    wait_for_flask(int(ports("5000")))
    curl(publish.replace("cG9pc29u", "Ym9vaw=="))  # a book, which the application takes
    curl(publish)
    (received,) = curl(pull)["receivedMessages"]
    attributes = received["message"]["attributes"]
    assert attributes["CloudPubSubDeadLetterSourceSubscription"] == "orders-push"
    assert attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    with urllib.request.urlopen(ports("http://127.0.0.1:8086/state.json"), timeout=120) as answer:  # noqa: S310 - our own
        backlogs = [subscription["backlog"] for subscription in json.load(answer)["subscriptions"]]
    assert backlogs == [1, 0], "the dead letter, and nothing else"


def test_the_fixture_works(tmp_path: Path) -> None:
    """The README's fixture, in a test of another project."""
    test = "def test_it(pubsub):\n    assert pubsub.host and pubsub.http_url\n"
    (tmp_path / "test_it.py").write_text(block("python", "pytest.fixture") + "\n\n" + test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_every_option_is_in_the_table() -> None:
    """No more and no less."""
    named = set(re.findall(r"^\| `--([a-z-]+)", README, re.MULTILINE))
    command = [sys.executable, "-m", "localpubsub", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    options = [set(re.findall(r"--([a-z-]+)", line)) for line in re.findall(r"^  (--.*)", text, re.MULTILINE)]
    assert named <= set.union(*options)
    assert [spellings for spellings in options if not spellings & named] == []
