"""A running system: takes URLs, and tells what it has stored."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import NamedTuple

from benchmarks.peers.environment import BIN, ROOT
from benchmarks.peers.processes import Launcher, wait_until

STOP_SECONDS = 10  #: seconds between SIGTERM and SIGKILL, as on Cloud Run


class Stored(NamedTuple):
    """What is compared of a stored result, to see that all systems extract the same.

    Attributes:
        url: URL of the page.
        headings: number of headings.
        links: number of links that are not empty; Scrapeq drops empty ones.
    """

    url: str
    headings: int
    links: int

    @classmethod
    def of(cls, url: str, headings: Sequence[str], links: Sequence[str]) -> "Stored":
        """Count what a result has."""
        return cls(url, len(headings), sum(bool(link and link.strip()) for link in links))


def _is_whole(line: bytes) -> bool:
    return line.startswith(b'{"url": "') and line.endswith(b"\n")


class Running(ABC):
    """A running system, during one measurement."""

    @abstractmethod
    def enqueue(self, urls: Sequence[str]) -> None:
        """Give the system a batch of jobs."""

    @abstractmethod
    def wait_until_sent(self) -> None:
        """Wait until the broker has all jobs of the last batch."""

    def pushing_pids(self) -> list[int]:
        """Return the processes that push the messages to the workers; none if the workers fetch them."""
        return []

    @abstractmethod
    def done(self) -> int:
        """Return how many jobs of the last batch have a stored result."""

    @abstractmethod
    def results(self) -> Iterator[Stored]:
        """Yield the results of the last batch; a job that was scraped twice may have two."""

    @abstractmethod
    def worker_pids(self) -> list[int]:
        """Return the process ids of the workers, without their children."""

    @abstractmethod
    def supervise(self) -> None:
        """Start workers that have ended again, as a supervisor would."""

    @abstractmethod
    def kill_workers(self) -> None:
        """Kill all workers with SIGKILL, and start them again, as a supervisor would."""

    @abstractmethod
    def stop_workers(self) -> None:
        """Send SIGTERM to all workers, wait until they have ended, and start them again, as a deploy does."""

    @abstractmethod
    def kill_broker(self) -> None:
        """Kill the broker with SIGKILL, and start it again with its data."""


class Peer(Running):
    """A system of `benchmarks/peers/programs`, whose processes append their results to files.

    Args:
        launcher: starts the processes.
        variables: environment variables of all processes.
    """

    def __init__(self, launcher: Launcher, variables: dict[str, str]) -> None:
        self._launcher = launcher
        self._directory = launcher.data / "results"
        self._directory.mkdir()
        self._environment = {
            "PYTHONPATH": str(ROOT),
            "RESULTS": str(self._directory),
            "DATA": str(launcher.data),
            **variables,
        }
        self._senders = list[Popen[str]]()
        self._workers = list[Popen[str]]()
        self._batch, self._batches = set[str](), 0
        self._offsets, self._done = dict[Path, int](), set[str]()

    def sender(self, module: str, *arguments: str, is_worker: bool = False) -> None:
        """Start a program that reads names of files with URLs from its standard input."""
        process = self._launcher.start([str(BIN / "python"), "-m", module, *arguments], self._environment)
        self._senders.append(process)
        if is_worker:
            self._workers.append(process)

    def worker(self, program: str, *arguments: str) -> None:
        """Start a worker, with a program of the environment of the systems."""
        self._workers.append(self._launcher.start([str(BIN / program), *arguments], self._environment))

    def run(self, program: str, *arguments: str) -> None:
        """Run a program to its end."""
        process = self._launcher.start([str(BIN / program), *arguments], self._environment)
        if process.wait():
            self._launcher.check()
        self._launcher.forget(process)

    def enqueue(self, urls: Sequence[str]) -> None:
        """Write the URLs to a file, and its name to each sender."""
        self._batch, self._batches, self._done = set(urls), self._batches + 1, set()
        file = self._launcher.data / f"batch-{self._batches}.txt"
        file.write_text("\n".join(urls))
        for sender in self._senders:
            assert sender.stdin
            print(file, file=sender.stdin, flush=True)

    def wait_until_sent(self) -> None:
        """Wait for the files that the senders make when they have sent a batch (`programs/page.py`)."""
        sent = self._launcher.data / f"batch-{self._batches}.sent"
        wait_until(sent.exists, "all jobs are sent")

    def done(self) -> int:
        """Return how many jobs of the last batch have a stored result."""
        self._launcher.check()
        for path in self._directory.iterdir():
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                lines = file.readlines()
            # A line that is being written may have no end yet; or no beginning, if the file has grown first.
            lines = list(takewhile(_is_whole, lines))
            self._offsets[path] = self._offsets.get(path, 0) + sum(map(len, lines))
            # The URL is the first value of each line: parsing all would take time from the measured system.
            self._done |= {json.loads(line[8 : line.index(b'"', 9) + 1]) for line in lines} & self._batch
        return len(self._done)

    def results(self) -> Iterator[Stored]:
        """Yield the results of the last batch."""
        for path in self._directory.iterdir():
            for line in path.read_text().splitlines():
                result = json.loads(line)
                if result["url"] in self._batch:
                    yield Stored.of(result["url"], result["headings"], result["links"])

    def worker_pids(self) -> list[int]:
        """Return the process ids of the workers."""
        return [process.pid for process in self._workers]

    def supervise(self) -> None:
        """Start workers that have ended again; a sender has nothing more to do."""
        for sender in self._senders:
            self._launcher.forget(sender)
        for place, worker in enumerate(self._workers):
            if worker.poll() is not None:
                self._launcher.forget(worker)
                self._workers[place] = self._launcher.restart(worker)

    def kill_workers(self) -> None:
        """Kill all workers, and start them again."""
        for worker in self._workers:
            self._launcher.kill(worker)
        self._workers = [self._launcher.restart(worker) for worker in self._workers]

    def stop_workers(self) -> None:
        """Stop all workers with SIGTERM, and start them again."""
        for worker in self._workers:
            self._launcher.forget(worker)
            worker.terminate()
        for worker in self._workers:
            with suppress(TimeoutExpired):
                worker.wait(STOP_SECONDS)
            self._launcher.kill(worker)
        self._workers = [self._launcher.restart(worker) for worker in self._workers]

    def kill_broker(self) -> None:
        """Kill the server, and start it again."""
        assert self._launcher.server, "the system has a server"
        self._launcher.kill(self._launcher.server)
        self._launcher.server = self._launcher.restart(self._launcher.server)
