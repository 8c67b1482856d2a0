"""Measure the processor time of a job under load: `python -m benchmarks.worker_cost [--tree BEFORE]`.

The production worker takes pushes as fast as it responds, a number of them at the same time. With `--tree`
the worker of another checkout is measured in the same rounds, alternately. Run it for pages of 0 ms and of
200 ms: `--delay 0 --in-flight 80`, and `--delay 0.2 --in-flight 200`.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import aiohttp

from benchmarks.pages_of_200_ms import slow_site
from benchmarks.worker_class import push_body
from benchmarks.worker_process import (
    HERE,
    Sender,
    WorkerDependencies,
    await_port,
    worker_dependencies,
    worker_process,
)
from console.stack.pubsub_setup import topic_path
from console.stack.services import PROJECT
from contract.outcome_record import OutcomeRecord
from contract.topology import OUTCOMES_TOPIC

WARM_UP = 100  #: number of pushes before the measurement


def processor_ms(pid: int) -> Counter[str]:
    """Return the milliseconds that a worker has used: of its main threads, of others, and of extraction.

    Args:
        pid: gunicorn's master process.
    """
    used = Counter[str]()
    pending = [(child, "") for child in _children(pid)]
    while pending:
        process, part = pending.pop()
        extracts = part or (
            "extraction" if b"fork_server" in Path(f"/proc/{process}/cmdline").read_bytes() else ""
        )
        for thread in Path(f"/proc/{process}/task").iterdir():
            name = extracts or ("main thread" if thread.name == str(process) else "other threads")
            used[name] += _thread_ms(thread)
        pending += [(child, extracts) for child in _children(process)]
    return used


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _thread_ms(thread: Path) -> int:
    """Return for how many milliseconds the kernel has run a thread (sched-stats, "/proc/<pid>/schedstat")."""
    nanoseconds, *_ = (thread / "schedstat").read_text().split()
    return int(nanoseconds) // 1_000_000


async def push_all(sender: Sender, bodies: list[bytes], in_flight: int) -> float:
    """Push every body, `in_flight` of them at the same time; return the seconds."""
    places = asyncio.Semaphore(in_flight)
    headers = {"Authorization": f"Bearer {sender.token}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def push(body: bytes) -> None:
            async with places, session.post(f"http://127.0.0.1:{sender.port}/", data=body) as response:
                if response.status != 204:
                    sys.exit(f"the worker answered {response.status}: {await response.text()}")

        started = time.monotonic()
        await asyncio.gather(*map(push, bodies))
        return time.monotonic() - started


class Outcomes:
    """Reads the outcomes that the worker publishes.

    Args:
        dependencies: the servers of the worker.
    """

    def __init__(self, dependencies: WorkerDependencies) -> None:
        from google.cloud import pubsub_v1  # noqa: PLC0415 - reads the environment at its import

        os.environ["PUBSUB_EMULATOR_HOST"] = dependencies.pubsub
        self._client = pubsub_v1.SubscriberClient()
        self._path = f"projects/{PROJECT}/subscriptions/outcomes"
        self._client.create_subscription(name=self._path, topic=topic_path(OUTCOMES_TOPIC))

    def read(self, count: int) -> list[OutcomeRecord]:
        """Return the next outcomes."""
        records = list[OutcomeRecord]()
        while len(records) < count:
            response = self._client.pull(subscription=self._path, max_messages=min(500, count - len(records)))
            records += [
                OutcomeRecord.model_validate_json(each.message.data) for each in response.received_messages
            ]
            ids = [each.ack_id for each in response.received_messages]
            self._client.acknowledge(subscription=self._path, ack_ids=ids)
        return records


def measure(
    dependencies: WorkerDependencies, outcomes: Outcomes, tree: Path, site: str, options: argparse.Namespace
) -> dict[str, float]:
    """Return the figures of one round of the worker in `tree`."""
    variables = {
        "WEB_CONCURRENCY": str(options.processes),
        "CONCURRENCY": str(max(300, 2 * options.in_flight)),
        "PAGE_CONCURRENCY": str(max(80, options.in_flight)),
    }
    bodies = [push_body(f"{site}/page/{number}") for number in range(WARM_UP + options.jobs)]
    with worker_process(dependencies, auth="oidc", tree=tree, variables=variables) as (process, sender):
        await_port(sender.port)
        asyncio.run(push_all(sender, bodies[:1], 1))  # fetches the certificates
        asyncio.run(push_all(sender, bodies[1:WARM_UP], options.in_flight))
        outcomes.read(WARM_UP)
        before = processor_ms(process.pid)
        seconds = asyncio.run(push_all(sender, bodies[WARM_UP:], options.in_flight))
        used = processor_ms(process.pid) - before
    records = outcomes.read(options.jobs)
    fetches = sorted(1000 * record.fetch_seconds for record in records)
    return {
        **{
            f"{part}, ms of processor time": used[part] / options.jobs
            for part in ("main thread", "other threads", "extraction")
        },
        "jobs/s": options.jobs / seconds,
        "fetch, median ms": statistics.median(fetches),
        "fetch, 95th percentile ms": statistics.quantiles(fetches, n=20)[-1],
        "waiting, median ms": statistics.median(1000 * record.waited_seconds for record in records),
        "total, median ms": statistics.median(1000 * record.total_seconds for record in records),
    }


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description="processor time of a job under load")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--in-flight", type=int, default=80)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that a page takes")
    parser.add_argument("--processes", type=int, default=1, help="WEB_CONCURRENCY")
    parser.add_argument("--tree", type=Path, help="directory of another checkout, for comparison")
    options = parser.parse_args()
    trees = [HERE, *([options.tree.resolve()] if options.tree else [])]
    rounds: dict[Path, list[dict[str, float]]] = defaultdict(list)
    with worker_dependencies() as dependencies, slow_site(options.delay) as site:
        outcomes = Outcomes(dependencies)
        for number in range(options.rounds):
            for tree in trees if number % 2 else reversed(trees):
                rounds[tree].append(measure(dependencies, outcomes, tree, site, options))
    print_table(rounds, trees)


def print_table(rounds: dict[Path, list[dict[str, float]]], trees: list[Path]) -> None:
    """Print the medians, and those of the ratios of each round's figures."""
    names = [tree.name for tree in trees] + ["ratio"] * (len(trees) - 1)
    print("| | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for figure in rounds[HERE][0]:
        columns = [[each[figure] for each in rounds[tree]] for tree in trees]
        cells = [f"{statistics.median(column):.2f}" for column in columns]
        for other in columns[1:]:
            ratios = [now / then for now, then in zip(columns[0], other, strict=True) if then]
            cells.append(f"{statistics.median(ratios):.2f} ×" if ratios else "")
        print(f"| {figure} | " + " | ".join(cells) + " |")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
