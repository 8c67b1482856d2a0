"""`scrapeq demo` and `scrapeq up` as whole commands: real processes, real output, real signals."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.processes import children_of, is_running
from tests.servers.waiting import wait_until

FREE_PORTS = [f"--{name}-port=0" for name in ("pubsub", "pubsub-http", "dispatcher", "worker")]


@contextmanager
def scrapeq(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a running command in a process group of its own, with its output as a pipe."""
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
    raise AssertionError(f"{start!r} never came:\n" + "\n".join(lines))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, list[str], Path]:
    """Return exit status, lines and data directory of one whole demo."""
    keep = tmp_path_factory.mktemp("demo") / "kept"
    with scrapeq("demo", "--keep", str(keep)) as command:
        output, _ = command.communicate(timeout=120)
    return command.returncode, output.splitlines(), keep


def test_the_demo_accounts_for_every_job(told: tuple[int, list[str], Path]) -> None:
    """The last line is the equation, and it adds up: 38 pages, of which one is broken for good."""
    status, lines, _ = told
    assert lines[-1] == "accounting: dispatched=38 succeeded=37 dead=1 in_flight=0", "\n".join(lines)
    assert status == 0


def test_the_demo_shows_a_retry_and_a_dead_letter(told: tuple[int, list[str], Path]) -> None:
    """What the system is for: a failure that passes costs an attempt, one that stays has a reason."""
    text = "\n".join(told[1])
    assert re.search(r"rosin-sampler\n  attempt 1  http_5xx .*\n  attempt 2  ok ", text)
    assert re.search(
        r"ghost-organ\n  5 attempts, the last: http_5xx .*\n  detail: .*500\n  what to do: ", text
    )
    assert "and 29 more" in text


def test_a_log_of_the_demo_is_plain(told: tuple[int, list[str], Path]) -> None:
    """Without a terminal: no control characters, no spinner, nothing said twice, no line of ours over 80."""
    lines = told[1]
    assert all(line.isprintable() for line in lines)
    steps = [line for line in lines if line.endswith("…")]
    assert len(steps) == len(set(steps)) < 10
    assert len(lines) < 60
    assert max(map(len, (line for line in lines if str(told[2]) not in line))) <= 80


def test_a_kept_demo_can_be_read_again(told: tuple[int, list[str], Path]) -> None:
    """Reading works when the stack is down."""
    with scrapeq("status", "--data", str(told[2])) as command:
        output, _ = command.communicate(timeout=120)
    assert output.splitlines()[-1] == told[1][-1]


@pytest.mark.parametrize("after", ["Starting a small", "Starting the local", "Making topics", "Run "])
def test_ctrl_c_ends_the_demo_at_any_time(after: str) -> None:
    """One sentence, status 130, no process left: during the start as well as in the middle of the run."""
    with scrapeq("demo") as command:
        read_until(command, after)
        groups = children_of(command.pid)
        os.killpg(command.pid, signal.SIGINT)  # as a terminal does: to the whole foreground group
        output, _ = command.communicate(timeout=120)
    assert output.splitlines()[-1] == "Stopped before the end; nothing is left running."
    assert command.returncode == 130
    wait_until(lambda: not any(map(is_running, groups)))


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_up_runs_until_it_is_told_to_stop(tmp_path: Path, sign: signal.Signals) -> None:
    """It says where everything is; at Ctrl-C or SIGTERM it ends in seconds, with a summary and status 0."""
    with scrapeq("up", "--data", str(tmp_path / "data"), *FREE_PORTS) as command:
        lines = read_until(command, "  export GOOGLE_CLOUD_PROJECT=scrapeq-local")
        groups = children_of(command.pid)
        command.send_signal(sign)
        output, _ = command.communicate(timeout=120)
    assert command.returncode == 0
    assert output.splitlines()[-2:] == [
        "Stopped.",
        "accounting: dispatched=0 succeeded=0 dead=0 in_flight=0 (all runs)",
    ]
    assert any(re.match(r"  export PUBSUB_EMULATOR_HOST=127\.0\.0\.1:\d+$", line) for line in lines)
    assert not any(map(is_running, groups))


def test_a_data_directory_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    """No stack trace for a path that is a file."""
    (tmp_path / "file").touch()
    with scrapeq("up", "--data", str(tmp_path / "file" / "data"), *FREE_PORTS) as command:
        output, _ = command.communicate(timeout=120)
    assert command.returncode == 2
    assert output == f"{tmp_path}/file/data cannot be the data directory: Not a directory.\n"
