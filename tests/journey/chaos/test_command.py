"""Tests the command `python -m tests.journey.chaos`, as docs/guarantees.md shows it."""

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository.tree import ROOT
from tests.servers.processes import descendant_groups, is_running
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

COMMAND = [sys.executable, "-m", "tests.journey.chaos"]


def run(*arguments: str, timeout: float = 800) -> subprocess.CompletedProcess[str]:
    """Run the command in the directory of the repository."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout
    )


@pytest.mark.long
def test_the_documented_command_repeats_a_row() -> None:
    """The command of docs/guarantees.md runs to its end, and prints a row in which every promise is kept."""
    page = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"^\.venv/bin/python -m tests\.journey\.chaos (.+)$", page, re.MULTILINE)
    done = run(*shlex.split(shown))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every promise kept" in done.stdout
    assert "1 runs, 0 with a broken promise" in done.stdout


def test_no_fault_lists_the_faults() -> None:
    """Without a fault the command says which there are."""
    done = run()
    assert done.returncode == 2
    assert "worker-killed" in done.stdout


def test_ctrl_c_leaves_no_process_and_prints_a_summary(tmp_path: Path) -> None:
    """Ctrl-C during a run ends all of its processes, and prints how many runs have ended."""
    # The run cannot end before Ctrl-C: it has many jobs, and some of them are retried.
    arguments = ["--fault", "none", "--jobs", "2000", "--keep", str(tmp_path)]
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        log = tmp_path / "none-7" / "logs" / "worker.log"
        wait_until(lambda: log.exists() and "Listening" in log.read_text(), "the worker starts")
        groups = descendant_groups(process.pid)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=MAX_WAIT_SECONDS)
    assert process.returncode == 130, output
    assert "Stopped: 0 of 1 runs have ended." in output
    wait_until(lambda: not any(is_running(group) for group in groups), "no process is left")
