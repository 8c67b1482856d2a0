"""Tests that the server raises its limit of open files as far as its push window needs."""

import re
import subprocess
import sys
from pathlib import Path

from tests.servers.waiting import MAX_WAIT_SECONDS


def limit_and_log(soft: int, hard: int, max_outstanding: int) -> tuple[int, str]:
    """Start localpubsub under these limits of open files; return its soft limit and its log."""
    command = [sys.executable, "-m", "localpubsub", "--port", "0", "--ephemeral"]
    command += ["--max-outstanding", str(max_outstanding)]
    shell = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"'
    with subprocess.Popen(
        ["sh", "-c", shell, "sh", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert "localpubsub" in process.stdout.readline()
            limits = Path(f"/proc/{process.pid}/limits").read_text(encoding="ascii")
        finally:
            process.terminate()
        _, log = process.communicate(timeout=MAX_WAIT_SECONDS)
    found = re.search(r"Max open files\s+(\d+)", limits)
    assert found
    return int(found.group(1)), log


def test_soft_limit_is_raised_to_what_the_window_needs() -> None:
    """With 500 pushes and a soft limit of 256, the soft limit becomes 1,524, and nothing is logged."""
    assert limit_and_log(256, 4096, 500) == (1524, "")


def test_hard_limit_that_is_too_low_is_logged_once() -> None:
    """With a hard limit of 1,000 the soft limit becomes 1,000, and one line states what is needed.

    Half of the files are kept for everything but pushes.
    """
    limit, log = limit_and_log(256, 1000, 600)
    assert limit == 1000
    assert log.count("open_files_limited limit=1000 needed=1624: fewer pushes") == 1
    assert log.count("\n") == 1


def test_sufficient_soft_limit_is_not_changed() -> None:
    """A soft limit that is higher than needed stays."""
    assert limit_and_log(2000, 4096, 500) == (2000, "")
