"""Measure localpubsub's processor time of a job: `python -m benchmarks.broker_cost [--tree BEFORE]`.

A job is a message of the jobs topic, which is pushed with a token, and an outcome, which its endpoint
publishes before it acknowledges the push. Both are written to the ledger. The endpoint finishes a fixed
number of jobs per second, two at the same time, as two worker processes do. With `--tree` the localpubsub of
another checkout is measured in the same rounds, alternately.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import grpc
import uvloop

from benchmarks.pages_of_200_ms import RECIPE
from benchmarks.worker_cost import print_table
from benchmarks.worker_process import HERE, await_port
from console.ledger.ledger import Ledger
from console.stack.ports import free_port
from console.stack.pubsub_setup import prepare_topology, topic_path
from console.stack.services import DeliveryPolicy
from contract.job import Job
from contract.job_id import identify
from contract.outcome import Outcome, Reason
from contract.outcome_record import OutcomeRecord
from contract.recipe import Recipe
from contract.topology import JOBS_TOPIC, OUTCOMES_TOPIC
from localpubsub.protocol.messages import PublishRequest, PubsubMessage, PubsubMessagePb

WARM_UP = 500  #: number of jobs before the measurement
JOBS_PER_REQUEST = 100  #: number of jobs in one publish request
OUTCOMES_PER_REQUEST = 2  #: number of outcomes in one publish request
OPEN_PUSHES = 400  #: maximum number of pushes that wait for the endpoint
PUBLISH = "/google.pubsub.v1.Publisher/Publish"
RESPONSE = b"HTTP/1.1 204 No Content\r\nServer: gunicorn\r\nConnection: keep-alive\r\n\r\n"
ITEMS = json.dumps([{"title": "A page", "links": [f"https://docs.example/{n}.html" for n in range(120)]}])


class Endpoint(asyncio.Protocol):
    """Receives pushes; each waits in `waiting` for its response.

    Args:
        waiting: the connections whose pushes have no response yet, the oldest first.
    """

    def __init__(self, waiting: deque[asyncio.Transport]) -> None:
        self._waiting = waiting
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = head.rpartition(b"Content-Length: ")[2].partition(b"\r\n")[0]
        if separator and len(body) >= int(length):
            self._received = b""
            self._waiting.append(self._transport)


def _jobs(first: int, count: int) -> Iterator[PubsubMessagePb]:
    recipe = Recipe.model_validate(RECIPE)
    for number in range(first, first + count):
        url = f"https://docs.example/page/{number}.html"
        now = datetime.now(UTC)
        job_id = identify("run-1", url, recipe)
        job = Job(job_id=job_id, run_id="run-1", crawl="bench", url=url, recipe=recipe, dispatched_at=now)
        yield PubsubMessage(data=job.encode(), attributes=job.attributes(""))


def _outcome(number: int) -> PubsubMessagePb:
    record = OutcomeRecord(
        job_id=f"{number:032x}",
        run_id="run-1",
        crawl="bench",
        url=f"https://docs.example/page/{number}.html",
        attempt=1,
        outcome=Outcome.SUCCEEDED,
        reason=Reason.OK,
        http_status=200,
        fetched_at=datetime.now(UTC),
        fetch_seconds=0.012345,
        total_seconds=0.123456,
        body_bytes=36_000,
        body_sha256="0" * 64,
        items=ITEMS,
        item_count=1,
    )
    return PubsubMessage(data=record.encode(), attributes=record.attributes(""))


def _request(topic: str, messages: Iterable[PubsubMessagePb]) -> bytes:
    request = PublishRequest(topic=topic_path(topic), messages=messages)
    return bytes(request.SerializeToString())


class Work:
    """Publishes jobs to one server, and finishes them at a fixed rate.

    Args:
        channel: a channel to the server.
        rate: number of jobs per second.
    """

    def __init__(self, channel: grpc.aio.Channel, rate: float) -> None:
        self.waiting = deque[asyncio.Transport]()
        call: object = channel.unary_unary(PUBLISH)
        self._publish = cast("Callable[[bytes], Awaitable[bytes]]", call)  # without serializers
        self._interval = OUTCOMES_PER_REQUEST / rate
        self._published = 0

    async def run(self, jobs: int) -> None:
        """Publish this number of jobs, and return once all are finished."""
        for first in range(self._published, self._published + jobs, JOBS_PER_REQUEST):
            await self._publish(_request(JOBS_TOPIC, _jobs(first, JOBS_PER_REQUEST)))
        outcomes = [_outcome(self._published + number) for number in range(jobs)]
        self._published += jobs
        loop = asyncio.get_running_loop()
        turn = loop.time()
        async with asyncio.TaskGroup() as tasks:
            while outcomes:
                turn = max(turn + self._interval, loop.time() - 0.1)
                await asyncio.sleep(turn - loop.time())
                count = min(OUTCOMES_PER_REQUEST, len(self.waiting))
                if count:
                    finished = [(self.waiting.popleft(), outcomes.pop()) for _ in range(count)]
                    tasks.create_task(self._finish(finished))

    async def _finish(self, finished: list[tuple[asyncio.Transport, PubsubMessagePb]]) -> None:
        await self._publish(_request(OUTCOMES_TOPIC, [outcome for _, outcome in finished]))
        for push, _ in finished:
            push.write(RESPONSE)


@contextmanager
def server_process(tree: Path, port: int) -> Iterator[int]:
    """Run the localpubsub of a checkout, with an empty ledger; yield the id of its process."""
    with tempfile.TemporaryDirectory() as data:
        Ledger(Path(data)).create()
        command = [sys.executable, "-m", "localpubsub", "--data", f"{data}/pubsub", "--log-level", "error"]
        command += ["--port", str(port), "--http-port", "0", "--max-outstanding", str(OPEN_PUSHES)]
        environment = os.environ | {"PYTHONPATH": str(tree)}
        with subprocess.Popen(command, cwd=tree, env=environment, stdout=subprocess.DEVNULL) as process:
            try:
                await_port(port)
                yield process.pid
            finally:
                process.kill()


def processor_us(pid: int) -> Counter[str]:
    """Return the microseconds that the threads of a process have used, by their purpose."""
    used = Counter[str]()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        name = (thread / "comm").read_text().strip()
        part = "main thread" if thread.name == str(pid) else "gRPC" if name != "python" else "other threads"
        nanoseconds, *_ = (thread / "schedstat").read_text().split()  # "/proc/<pid>/schedstat" in sched-stats
        used[part] += int(nanoseconds) // 1000
        used["all threads"] += int(nanoseconds) // 1000
    return used


async def measure(tree: Path, options: argparse.Namespace) -> dict[str, float]:
    """Return the milliseconds of processor time of a job, by thread."""
    port = free_port()
    with server_process(tree, port) as pid:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            work = Work(channel, options.rate)
            loop = asyncio.get_running_loop()
            endpoint = await loop.create_server(lambda: Endpoint(work.waiting), "127.0.0.1", 0, backlog=1024)
            url = f"http://127.0.0.1:{endpoint.sockets[0].getsockname()[1]}/"
            await asyncio.to_thread(prepare_topology, f"127.0.0.1:{port}", url, DeliveryPolicy())
            await work.run(WARM_UP)
            before = processor_us(pid)
            await work.run(options.jobs)
            used = processor_us(pid) - before
            endpoint.close()
    return {part: used[part] / 1000 / options.jobs for part in sorted(used)}


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description="localpubsub's processor time of a job, in milliseconds")
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=350, help="jobs per second")
    parser.add_argument("--tree", type=Path, help="directory of another checkout, for comparison")
    options = parser.parse_args()
    trees = [HERE, *([options.tree.resolve()] if options.tree else [])]
    rounds: dict[Path, list[dict[str, float]]] = defaultdict(list)
    for number in range(options.rounds):
        for tree in trees if number % 2 else reversed(trees):
            rounds[tree].append(uvloop.run(measure(tree, options)))
    print_table(rounds, trees)


if __name__ == "__main__":
    main()
