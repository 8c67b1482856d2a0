"""Run ``python -m localpubsub`` as a process, for tests that kill it or measure it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Seconds that a killed process has to be gone.
EXIT_SECONDS: Final = 60
#: Number of lines that localpubsub prints when it listens: the addresses and where its data is.
PRINTED_LINES: Final = 3


@dataclass
class LocalpubsubProcess:
    """A server process that has printed its address.

    Attributes:
        process: the process; its standard output is a pipe.
        host: its gRPC address, ``host:port``.
        lines: the lines that it printed at its start.
    """

    process: subprocess.Popen[str]
    host: str
    lines: list[str]

    def resident_bytes(self) -> int:
        """Return the memory that the process takes."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found
        return int(found.group(1)) * 1024

    def kill(self) -> None:
        """Send SIGKILL, so that the server cannot write anything more, and wait for the end."""
        self.process.kill()
        self.process.wait(EXIT_SECONDS)


@contextmanager
def running_process(*arguments: str, max_file_kib: int | None = None) -> Iterator[LocalpubsubProcess]:
    """Run the command on a free port until the block ends.

    With ``max_file_kib`` no file that it writes can grow larger, as on a full disk.
    """
    command = [sys.executable, "-m", "localpubsub", "--port", "0", "--log-level", "error", *arguments]
    if max_file_kib is not None:
        # A shell sets the limit: Popen's preexec_fn would fork, which gRPC's threads do not survive.
        command = ["sh", "-c", f'ulimit -f {max_file_kib * 2} && exec "$@"', "sh", *command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(PRINTED_LINES)]
            found = re.search(r"PUBSUB_EMULATOR_HOST=(\S+)\)", lines[0])
            assert found, "localpubsub ended before it printed its address"
            yield LocalpubsubProcess(process, found.group(1), lines)
        finally:
            process.kill()
