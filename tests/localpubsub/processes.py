"""``python -m localpubsub`` as a process, for tests that kill it or look at what it takes."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Running:
    """A server process that has said where it is."""

    process: subprocess.Popen[str]
    host: str

    def resident(self) -> int:
        """Bytes of memory it takes."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found
        return int(found.group(1)) * 1024

    def kill(self) -> None:
        """No time to write anything."""
        self.process.kill()
        self.process.wait(10)


@contextmanager
def started(*arguments: str, before: Callable[[], None] | None = None) -> Iterator[Running]:
    """The command, until the block ends; ``before`` runs in the new process, ahead of it."""
    command = [sys.executable, "-m", "localpubsub", "--port", "0", "--log-level", "error", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=before) as process:  # noqa: PLW1509 - sets a limit, no more
        try:
            assert process.stdout is not None
            # With ``before`` the child is a fork of this process for a moment: gRPC may say something there.
            said = iter(process.stdout.readline, "")
            found = next(
                filter(None, (re.search(r"PUBSUB_EMULATOR_HOST=(\S+)\)", line) for line in said)), None
            )
            assert found, "it ended without saying where it is"
            yield Running(process, found.group(1))
        finally:
            process.kill()
