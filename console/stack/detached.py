"""Starts `scrapeq up` as a process of its own, and stops one that runs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from console.errors import StackError, UsageError
from console.private_files import make_private_directory, private_opener
from console.stack.stack_file import (
    StackRecord,
    is_running,
    read_stack,
    refuse_second_stack,
    running_stack,
)

LOG = "up.log"  #: file in the directory of the logs that has what a detached `scrapeq up` prints
POLL_SECONDS = 0.1
MAX_LOG_BYTES = 64 * 1024  #: maximum number of bytes of the log in an error message


def start_detached(data: Path, arguments: Sequence[str]) -> StackRecord:
    """Start `scrapeq up` in a new session, and return its record when all services are healthy.

    Args:
        data: the data directory.
        arguments: arguments of `scrapeq up`.

    Raises:
        UsageError: another stack runs in the data directory, or the new one refused its arguments.
        StackError: the new stack has not started; the message has what it printed.
    """
    refuse_second_stack(data)
    log_path = data / "logs" / LOG
    make_private_directory(log_path.parent)
    with open(log_path, "wb", opener=private_opener) as log:
        process = subprocess.Popen(  # noqa: S603 - runs this program
            [sys.executable, "-m", "console", "up", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONSAFEPATH": "1"},  # the directory may have a file console.py
            start_new_session=True,
        )
    try:
        while not _is_ready(data, process.pid):
            if (status := process.poll()) is not None:
                error = UsageError if status == UsageError.exit_status else StackError
                raise error(_read(log_path) or f"`scrapeq up` has ended with exit status {status}.")
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    return running_stack(data)


def stop_running(data: Path, timeout: float, kill: Callable[[int, int], None] = os.kill) -> None:
    """Stop the stack that runs in a data directory, and wait for its end.

    Args:
        data: the data directory.
        timeout: seconds to wait.
        kill: sends a signal to a process.

    Raises:
        StackNotRunningError: no stack runs there.
        StackError: the stack may not be stopped by this user, or has not ended in time.
    """
    record = running_stack(data)
    try:
        kill(record.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it has just ended, or ends
    except PermissionError:
        message = f"`scrapeq up` in {data} (process {record.pid}) belongs to another user, who must stop it."
        raise StackError(message) from None
    until = time.monotonic() + timeout
    while is_running(data):
        if time.monotonic() > until:
            raise StackError(f"`scrapeq up` (process {record.pid}) has not ended within {timeout:g} s.")
        time.sleep(POLL_SECONDS)


def _is_ready(data: Path, pid: int) -> bool:
    record = read_stack(data)
    return record is not None and record.pid == pid and record.is_ready


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_LOG_BYTES).decode(errors="replace").rstrip()
