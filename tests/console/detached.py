"""Runs `scrapeq` in processes of its own, and `scrapeq up --detach` with them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from console.stack.stack_file import StackRecord, is_running, running_stack
from tests.repository.tree import ROOT

#: Options of `scrapeq up` for ports that are free.
FREE_PORTS: Final = tuple(
    f"--{name}-port=0" for name in ("pubsub", "pubsub-http", "dispatcher", "worker", "console")
)


def scrapeq_process(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `scrapeq` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "console", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=800,  # against hanging
        check=False,
    )


@contextmanager
def detached_stack(data: Path, *options: object) -> Iterator[tuple[StackRecord, str]]:
    """Run `scrapeq up --detach` until the block ends; yield its record, and what it printed."""
    done = scrapeq_process("up", "--detach", "--data", data, *FREE_PORTS, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        yield running_stack(data), done.stdout
    finally:
        if is_running(data):
            scrapeq_process("down", "--data", data)
