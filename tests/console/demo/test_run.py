"""Tests of `scrapeq demo` and `scrapeq up` as complete commands, with real processes and signals."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.console.detached import FREE_PORTS
from tests.servers.processes import descendant_groups, is_running
from tests.servers.waiting import wait_until

LIMIT_SECONDS = 800  #: limit against hanging


@contextmanager
def scrapeq(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a running command in its own process group, with its output in a pipe."""
    with subprocess.Popen(
        [sys.executable, "-m", "console", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "COLUMNS": "80"},
    ) as command:
        try:
            yield command
        finally:
            command.kill()


def read_until(command: subprocess.Popen[str], start: str) -> list[str]:
    """Return the lines of a command's output up to the one that begins with `start`."""
    assert command.stdout
    lines = list[str]()
    for line in command.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith(start):
            return lines
    raise AssertionError(f"no line begins with {start!r}:\n" + "\n".join(lines))


@pytest.fixture(scope="module")
def finished_demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, list[str], Path]:
    """Return the exit status, the output lines and the data directory of one demo."""
    keep = tmp_path_factory.mktemp("demo") / "kept"
    with scrapeq("demo", "--keep", str(keep)) as command:
        output, _ = command.communicate(timeout=LIMIT_SECONDS)
    return command.returncode, output.splitlines(), keep


def test_demo_ends_with_an_accounting_that_adds_up(finished_demo: tuple[int, list[str], Path]) -> None:
    """The last line of the demo is the accounting of 38 jobs, of which one is a dead letter."""
    status, lines, _ = finished_demo
    assert lines[-1] == "accounting: dispatched=38 succeeded=37 dead=1 in_flight=0", "\n".join(lines)
    assert status == 0


def test_demo_shows_a_retry_and_a_dead_letter(finished_demo: tuple[int, list[str], Path]) -> None:
    """The demo shows two attempts for a page that fails once, and a dead letter for one that always fails."""
    text = "\n".join(finished_demo[1])
    assert re.search(r"rosin-sampler\n  attempt 1  http_5xx .*\n  attempt 2  ok ", text)
    assert re.search(
        r"ghost-organ\n  5 attempts, the last: http_5xx .*\n  detail: .*500\n  what to do: ", text
    )
    assert "and 29 more" in text


def test_demo_without_a_terminal_prints_plain_lines(finished_demo: tuple[int, list[str], Path]) -> None:
    """In a pipe the demo prints each step once, without control characters, in at most 80 columns."""
    lines = finished_demo[1]
    assert all(line.isprintable() for line in lines)
    steps = [line for line in lines if line.endswith("…")]
    assert len(steps) == len(set(steps)) < 10
    assert len(lines) < 60
    assert max(map(len, (line for line in lines if str(finished_demo[2]) not in line))) <= 80


def test_status_reads_a_kept_demo(finished_demo: tuple[int, list[str], Path]) -> None:
    """`scrapeq status` reads the ledger of a kept demo, whose services have stopped."""
    with scrapeq("status", "--data", str(finished_demo[2])) as command:
        output, _ = command.communicate(timeout=LIMIT_SECONDS)
    assert output.splitlines()[-1] == finished_demo[1][-1]


@pytest.mark.parametrize("after", ["Starting a small", "Starting the local", "Creating topics", "Run "])
def test_ctrl_c_stops_the_demo_at_any_step(after: str) -> None:
    """Ctrl-C during the start or the run ends all processes of the demo; the exit status is 130."""
    with scrapeq("demo") as command:
        read_until(command, after)
        groups = descendant_groups(command.pid)
        os.killpg(command.pid, signal.SIGINT)  # a terminal signals the whole foreground group
        output, _ = command.communicate(timeout=LIMIT_SECONDS)
    assert output.splitlines()[-1] == "Stopped before the end; nothing is left running."
    assert command.returncode == 130
    wait_until(lambda: not any(map(is_running, groups)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_runs_until_sigint_or_sigterm(tmp_path: Path, number: signal.Signals) -> None:
    """`scrapeq up` prints the addresses; after SIGINT or SIGTERM it prints a summary and exits with 0."""
    with scrapeq("up", "--data", str(tmp_path / "data"), *FREE_PORTS) as command:
        lines = read_until(command, "  export GOOGLE_CLOUD_PROJECT=scrapeq-local")
        groups = descendant_groups(command.pid)
        command.send_signal(number)
        output, _ = command.communicate(timeout=LIMIT_SECONDS)
    assert command.returncode == 0
    assert output.splitlines()[-2:] == [
        "Stopped.",
        "accounting: dispatched=0 succeeded=0 dead=0 in_flight=0 (all runs)",
    ]
    assert any(re.match(r"  export PUBSUB_EMULATOR_HOST=127\.0\.0\.1:\d+$", line) for line in lines)
    wait_until(lambda: not any(map(is_running, groups)))


def test_data_directory_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    """If the data directory cannot be created, `scrapeq up` prints a message without a stack trace."""
    (tmp_path / "file").touch()
    with scrapeq("up", "--data", str(tmp_path / "file" / "data"), *FREE_PORTS) as command:
        output, _ = command.communicate(timeout=LIMIT_SECONDS)
    assert command.returncode == 2
    assert output == (
        f"The data directory {tmp_path}/file/data cannot be created: Not a directory. "
        "Choose another with --data.\n"
    )
