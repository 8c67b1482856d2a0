"""``python -m localpubsub`` as a process, for tests that kill it or look at what it takes."""

import re
import subprocess
import sys
from collections.abc import Iterator
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
def started(*arguments: str, file_kib: int | None = None) -> Iterator[Running]:
    """The command, until the block ends; with ``file_kib`` none of its files may grow larger: a full disk."""
    command = [sys.executable, "-m", "localpubsub", "--port", "0", "--log-level", "error", *arguments]
    if file_kib is not None:  # by a shell: Popen would fork to do it, which gRPC's threads do not survive
        command = ["sh", "-c", f'ulimit -f {file_kib * 2} && exec "$@"', "sh", *command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"PUBSUB_EMULATOR_HOST=(\S+)\)", process.stdout.readline())
            assert found, "it ended without saying where it is"
            yield Running(process, found.group(1))
        finally:
            process.kill()
