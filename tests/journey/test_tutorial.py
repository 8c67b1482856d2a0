"""Tests of docs/tutorial/first-crawl.md: saves its files and runs its commands, in the order of the page."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from console.demo.site import SiteServer
from tests.repository.tree import ROOT
from tests.servers.http_server import serving_in_thread
from tests.servers.waiting import MAX_WAIT_SECONDS

TUTORIAL: Final = (ROOT / "docs" / "tutorial" / "first-crawl.md").read_text(encoding="utf-8")
FILE: Final = re.compile(r"Save this as `(?P<name>[\w.]+)`.*?```yaml\n(?P<text>.*?)```", re.DOTALL)
COMMANDS: Final = re.compile(r"```sh\n(.*?)```", re.DOTALL)
#: Exit statuses other than 0. The crawl has a page that is missing.
STATUSES: Final = {"scrapeq dispatch crawl.yaml --wait": 3}
#: Commands that `outputs` does not run: the fixture starts these services itself, or another test runs them.
SKIPPED_COMMANDS: Final = {
    "make demo",
    ". .venv/bin/activate",
    "scrapeq up --ack-policy settled",
    "python -m console.demo.site --port 8090",
}
ADDRESS: Final = "http://127.0.0.1:8090"
ACCOUNTING: Final = re.compile(r"accounting: dispatched=3 .*")


@contextmanager
def running_stack(folder: Path) -> Iterator[list[str]]:
    """Run `scrapeq up` in a folder, on free ports; yield the lines that it prints at its start."""
    ports = [f"--{name}-port=0" for name in ("pubsub", "pubsub-http", "dispatcher", "worker", "console")]
    with subprocess.Popen(
        [sys.executable, "-m", "console", "up", "--ack-policy", "settled", *ports],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout
            lines = list[str]()
            while not (lines and "GOOGLE_CLOUD_PROJECT" in lines[-1]):
                line = process.stdout.readline()
                assert line, "scrapeq up ended early:\n" + "\n".join(lines)
                lines.append(line.strip())
            yield lines
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=MAX_WAIT_SECONDS)


@contextmanager
def running_site() -> Iterator[str]:
    """Serve the demo's shop on a free port; yield its address."""
    with SiteServer(0) as server, serving_in_thread(server):
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the output of each command of the tutorial, by command; every command must succeed."""
    folder = tmp_path_factory.mktemp("tutorial")
    with running_site() as site_address, running_stack(folder):
        for name, text in FILE.findall(TUTORIAL):
            (folder / name).write_text(text.replace(ADDRESS, site_address), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
        printed = dict[str, str]()
        for command in commands():
            words = shlex.split(command.replace(ADDRESS, site_address))
            assert words[0] == "scrapeq", command
            done = subprocess.run(
                [sys.executable, "-m", "console", *words[1:]],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=MAX_WAIT_SECONDS,
                check=False,
            )
            status = STATUSES.get(command, 0)
            assert done.returncode == status, f"{command}:\n{done.stdout}{done.stderr}"
            printed[command] = done.stdout
        return printed


def commands() -> list[str]:
    """Return the commands of the page in order, without SKIPPED_COMMANDS."""
    lines = [line for block in COMMANDS.findall(TUTORIAL) for line in block.splitlines()]
    return [line for line in lines if line not in SKIPPED_COMMANDS]


def test_every_command_of_the_tutorial_succeeds(outputs: dict[str, str]) -> None:
    """Every command of the tutorial ran with exit status 0, or with the one that the page names."""
    assert len(outputs) >= 9
    assert set(outputs) == set(commands())


def test_the_tutorial_shows_the_accounting_of_its_crawl(outputs: dict[str, str]) -> None:
    """The crawl of the tutorial has the accounting that the page shows."""
    shown = ACCOUNTING.findall(TUTORIAL)
    assert shown == ["accounting: dispatched=3 succeeded=2 dead=1 in_flight=0"]
    assert shown[0] in outputs["scrapeq dispatch crawl.yaml --wait"]


def test_the_tutorial_shows_the_dead_letter_of_its_crawl(outputs: dict[str, str]) -> None:
    """The output of `scrapeq dead list` contains the reason and its meaning, as the page shows them."""
    reason = next(line for line in TUTORIAL.splitlines() if line.startswith("http_404 at"))
    assert reason.strip() in outputs["scrapeq dead list"]
