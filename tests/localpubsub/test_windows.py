"""Tests that the commands start where Python lacks what Windows lacks.

No test runs on Windows. Instead, the process imports a ``sitecustomize`` that takes from Python what does not
exist there, and it adds a module ``msvcrt`` whose ``locking`` locks a byte by POSIX's ``lockf``.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.waiting import MAX_WAIT_SECONDS

SITE = """
import asyncio, os, signal, sys, types
for name in ("fcntl", "resource", "uvloop"):
    sys.modules[name] = None  # an import raises ImportError
del os.geteuid, os.O_DIRECTORY, signal.SIGHUP
asyncio.SelectorEventLoop.add_signal_handler = asyncio.AbstractEventLoop.add_signal_handler
msvcrt = sys.modules["msvcrt"] = types.ModuleType("msvcrt")
msvcrt.LK_NBLCK, msvcrt.locking = os.F_TLOCK, os.lockf
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a process in which Python lacks what Windows lacks."""
    (tmp_path / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(Path.cwd())))}


@contextmanager
def started(environment: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a module as a command until the block ends; its first line has been printed."""
    with subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("localpubsub"), process.communicate(timeout=MAX_WAIT_SECONDS)
            yield process
        finally:
            process.kill()


def test_server_starts_and_stops_without_posix_modules(environment: dict[str, str], tmp_path: Path) -> None:
    """Without fcntl, resource and signal handlers of the loop, the server starts, and SIGTERM stops it."""
    with started(environment, "localpubsub", "--port", "0", "--data", str(tmp_path / "data")) as server:
        server.send_signal(signal.SIGTERM)
        assert server.wait(MAX_WAIT_SECONDS) == 0


def test_data_directory_is_locked_without_fcntl(environment: dict[str, str], tmp_path: Path) -> None:
    """Without fcntl, a second server on the same data directory does not start."""
    arguments = ("localpubsub", "--port", "0", "--data", str(tmp_path / "data"))
    with started(environment, *arguments):
        second = subprocess.run(
            [sys.executable, "-m", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=MAX_WAIT_SECONDS,
            check=False,
        )
    assert second.returncode == 2
    assert "is in use by another localpubsub" in second.stderr


def test_gate_starts_and_stops_without_posix_modules(environment: dict[str, str]) -> None:
    """Without SIGHUP, the gate starts, and SIGTERM stops it."""
    gate = ("localpubsub.cloud_run_gate", "--to", "http://127.0.0.1:9", "--audience", "a", "--port", "0")
    with started(environment, *gate) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(MAX_WAIT_SECONDS) == 0
