"""Compare gunicorn's worker classes under the same pushes: `python -m benchmarks.worker_class`.

An HTTP client pushes as fast as the worker responds; localpubsub receives the outcomes. Each round measures
all classes, one after the other, so that a slower machine slows down all of them.
"""

import argparse
import asyncio
import base64
import json
import os
import secrets
import signal
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import aiohttp

import localpubsub
from benchmarks.pages_of_200_ms import RECIPE, slow_site
from console.stack.ports import free_port
from console.stack.pubsub_setup import publisher_client, topic_path
from console.stack.services import LOOPBACK_NETWORKS, PROJECT
from contract.job import Job
from contract.job_id import identify
from contract.recipe import Recipe
from contract.topology import OUTCOMES_TOPIC

PROCESSES = 2
DISPATCHED_AT = datetime(2026, 12, 1, tzinfo=UTC)  #: when the dispatcher made the jobs of the run
WARM_UP = 40  #: number of pushes before the measurement
CLASSES = {
    "gevent 2 × 100": ("-c", "python:worker.gunicorn_conf"),
    "gthread 2 × 100": ("--worker-class", "gthread", "--threads", "100", "worker.main:create_app()"),
    "gthread 2 × 16": ("--worker-class", "gthread", "--threads", "16", "worker.main:create_app()"),
}


def push_body(url: str, recipe: Recipe | None = None) -> bytes:
    """Return the body of Pub/Sub's push for a job on `url`, with a new message id.

    A worker that has acknowledged a message acknowledges the same message again without work.
    """
    recipe = recipe or Recipe.model_validate(RECIPE)
    job_id = identify("run-1", url, recipe)
    job = Job(
        job_id=job_id, run_id="run-1", crawl="bench", url=url, recipe=recipe, dispatched_at=DISPATCHED_AT
    )
    message = {
        "data": base64.b64encode(job.encode()).decode(),
        "messageId": secrets.token_hex(8),
        "attributes": job.attributes(""),
    }
    return json.dumps({"message": message, "subscription": "bench", "deliveryAttempt": 1}).encode()


@contextmanager
def worker(arguments: tuple[str, ...], pubsub_host: str) -> Iterator[str]:
    """Run a worker with these arguments of gunicorn; yield its URL."""
    port = free_port()
    environment = os.environ | {
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "PUBSUB_EMULATOR_HOST": pubsub_host,
        "PUSH_AUTH": "none",
        "FETCH_ALLOW_NETWORKS": LOOPBACK_NETWORKS,
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "WEB_CONCURRENCY": str(PROCESSES),
        "CONCURRENCY": "200",
        "PAGE_CONCURRENCY": "200",
    }
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--bind",
        f"127.0.0.1:{port}",
        "--keep-alive",
        "75",
        *arguments,
    ]
    process = subprocess.Popen(
        command,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def push_all(url: str, bodies: list[bytes], concurrency: int) -> float:
    """Push every body, `concurrency` of them at the same time; return the seconds of all but WARM_UP."""
    semaphore = asyncio.Semaphore(concurrency)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await _await_health(session, f"{url}/healthz")

        async def push(body: bytes) -> None:
            async with semaphore, session.post(url, data=body) as response:
                if response.status != 204:
                    sys.exit(f"the worker answered {response.status}: {await response.text()}")

        await asyncio.gather(*map(push, bodies[:WARM_UP]))  # opens connections and triggers late imports
        started = time.monotonic()
        await asyncio.gather(*map(push, bodies[WARM_UP:]))
        return time.monotonic() - started


def main() -> None:
    """Run the rounds and print the tables."""
    options = argparse.ArgumentParser(description="gunicorn's worker classes under the same pushes")
    options.add_argument("--jobs", type=int, default=1500)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    with localpubsub.running() as pubsub:
        with publisher_client(pubsub.host) as publisher:
            publisher.create_topic(name=topic_path(OUTCOMES_TOPIC), timeout=10)
        for delay, concurrency in ((0.0, 64), (0.2, 200)):
            measure(pubsub.host, chosen.jobs, chosen.rounds, delay=delay, concurrency=concurrency)


def measure(pubsub_host: str, jobs: int, rounds: int, *, delay: float, concurrency: int) -> None:
    """Print the rates of every class for pages of `delay` seconds."""
    rates: dict[str, list[float]] = defaultdict(list)
    with slow_site(delay) as site:
        bodies = [push_body(f"{site}/page/{number}") for number in range(WARM_UP + jobs)]
        for _ in range(rounds):
            for name, arguments in CLASSES.items():
                with worker(arguments, pubsub_host) as url:
                    rates[name].append(jobs / asyncio.run(push_all(url, bodies, concurrency)))
    reference = rates[next(iter(CLASSES))]
    for name, measured in rates.items():
        ratio = statistics.median(one / other for one, other in zip(measured, reference, strict=True))
        rate = statistics.median(measured)
        print(f"pages of {delay * 1000:3.0f} ms  {name:16} {rate:6.0f} jobs/s  {ratio:.2f} × the first")


async def _await_health(session: aiohttp.ClientSession, url: str) -> None:
    for _ in range(200):
        try:
            async with session.get(url):
                return
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.1)
    sys.exit("the worker did not start")


if __name__ == "__main__":
    main()
