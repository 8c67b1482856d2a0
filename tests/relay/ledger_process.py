"""Runs `scrapeq ledger` as a process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.repository.tree import ROOT
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until


@dataclass
class LedgerProcess:
    """A writer of the ledger that receives messages.

    Attributes:
        process: the process.
        log: the file with its log.
    """

    process: subprocess.Popen[str]
    log: Path

    def output(self) -> str:
        """Return what it has logged so far."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.process.kill()
        self.process.communicate()

    def stop(self, number: int = signal.SIGTERM) -> dict[str, Any]:
        """End it with a signal; return its summary."""
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=MAX_WAIT_SECONDS)
        assert self.process.returncode == 0, self.output()
        summary: dict[str, Any] = json.loads(output)
        return summary


@contextmanager
def running_ledger(
    broker_url: str, log: Path, *arguments: object, ledger_url: str = ""
) -> Iterator[LedgerProcess]:
    """Run the command until the block ends; it receives messages when the block begins.

    Args:
        broker_url: BROKER_URL.
        log: the file that gets its log.
        arguments: further arguments.
        ledger_url: LEDGER.
    """
    command = [sys.executable, "-m", "console", "ledger", "--json", *map(str, arguments)]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "BROKER_URL": broker_url, "LEDGER": ledger_url},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    writer = LedgerProcess(process, log)
    try:
        wait_until(
            lambda: " ledger_ready " in writer.output() or process.poll() is not None,
            "the ledger receives messages",
        )
        assert process.poll() is None, writer.output()
        yield writer
    finally:
        if process.poll() is None:
            writer.kill()
