"""Tests that the server raises its limit of open files, and recognizes that it has reached a limit."""

import errno
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from localpubsub.open_files import is_out_of_resources
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


def test_soft_limit_is_raised_to_the_hard_limit() -> None:
    """With 500 pushes, a soft limit of 256 becomes the hard limit of 4,096, and nothing is logged."""
    assert limit_and_log(256, 4096, 500) == (4096, "")


def test_hard_limit_that_is_too_low_is_logged_once() -> None:
    """With a hard limit of 1,000 the soft limit becomes 1,000, and one line states what is needed.

    Half of the files are kept for everything but pushes.
    """
    limit, log = limit_and_log(256, 1000, 600)
    assert limit == 1000
    assert log.count("open_files_limited limit=1000 needed=1624: fewer pushes") == 1
    assert log.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EMFILE, "Too many open files"), True),
        (OSError(errno.ENFILE, "Too many open files in system"), True),
        (OSError(errno.ENOBUFS, "No buffer space available"), True),
        (OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"), True),
        (socket.gaierror(socket.EAI_MEMORY, "Memory allocation failure"), True),
        (MemoryError(), True),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), False),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), False),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), False),
        (TimeoutError(), False),
    ],
    ids=repr,
)
def test_errors_are_attributed_to_this_machine_or_the_endpoint(error: Exception, expected: bool) -> None:
    """Only errors about files, buffers, memory and local ports are the fault of this machine."""
    assert is_out_of_resources(error) is expected


def test_resolver_without_files_is_the_fault_of_this_machine() -> None:
    """EAI_AGAIN means that the resolver had no file if no socket can be opened."""
    code = """
import os, resource, socket
from localpubsub.open_files import is_out_of_resources
resource.setrlimit(resource.RLIMIT_NOFILE, (os.dup(0), os.dup(0)))
print(is_out_of_resources(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=MAX_WAIT_SECONDS, check=False
    )
    assert done.stdout == "True\n", done
