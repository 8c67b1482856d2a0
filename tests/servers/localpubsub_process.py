"""Runs ``python -m localpubsub`` as a process, for tests that kill or measure the server."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Maximum number of seconds until a killed process has ended.
EXIT_SECONDS: Final = 60
#: Number of lines that localpubsub prints when it listens: its addresses and the path of its data.
PRINTED_LINES: Final = 3


@dataclass
class LocalpubsubProcess:
    """A process of localpubsub that is listening.

    Attributes:
        process: the process; its standard output is a pipe.
        host: the gRPC address of the server, ``host:port``.
        lines: the lines that the server printed when it started.
    """

    process: subprocess.Popen[str]
    host: str
    lines: list[str]

    def resident_bytes(self) -> int:
        """Return the resident memory of the process, in bytes."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found
        return int(found.group(1)) * 1024

    def kill(self) -> None:
        """End the process with SIGKILL, so that the server cannot write any more data."""
        self.process.kill()
        self.process.wait(EXIT_SECONDS)


@contextmanager
def running_process(*arguments: str, max_file_kib: int | None = None) -> Iterator[LocalpubsubProcess]:
    """Run localpubsub on a free port until the block ends.

    Args:
        arguments: further command line arguments of localpubsub.
        max_file_kib: maximum size, in KiB, of each file that the process writes; None: unlimited. A limit
            imitates a full disk.
    """
    command = [sys.executable, "-m", "localpubsub", "--port", "0", "--log-level", "error", *arguments]
    if max_file_kib is not None:
        # A shell sets the limit, because Popen forks if preexec_fn is given, and gRPC's threads do not
        # survive a fork.
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
