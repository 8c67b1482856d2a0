"""Measures the dispatch of a file with very many URLs: `python -m benchmarks.dispatch_million [COUNT]`.

A dispatcher process reads a gzipped file from a web server of this machine, and publishes a job for each URL
to localpubsub. The result is the memory of the dispatcher beyond that of the idle process, and its rate
beside that of a bare client that publishes messages of the same size with the same settings.
"""

import gzip
import subprocess
import sys
import time
from collections.abc import Iterator

from contract.job import Job
from publishing.publisher import Message
from tests.repository.tree import ROOT
from tests.servers.dispatcher_process import running_dispatcher
from tests.servers.localpubsub_process import running_process
from tests.servers.pubsub_client import connect
from tests.servers.site import http, running_site
from tests.servers.worker_process import environment

TOPIC = "projects/p/topics/scrape-jobs"
URL = "https://shop.example/products/{number}?page=1"
MIB = 1024 * 1024
DISPATCH_SECONDS = 1800  #: the longest time of one request, as with Cloud Scheduler
SETTINGS = {
    "SITEMAP_BUDGET_SECONDS": str(DISPATCH_SECONDS),
    "PUBLISH_TIMEOUT_SECONDS": str(DISPATCH_SECONDS),
}


def messages(count: int, example: bytes) -> Iterator[Message]:
    """Yield messages with the size and the attributes of jobs."""
    job = Job.decode(example)
    head, _, tail = example.partition(URL.format(number=0).encode())
    attributes = job.attributes("")
    for number in range(count):
        yield Message(head + URL.format(number=number).encode() + tail, attributes)


BARE_CLIENT = """
import sys, time
from benchmarks.dispatch_million import messages
from publishing.pubsub.publisher import PubSubPublisher

count, data = int(sys.argv[1]), sys.stdin.buffer.read()
publisher = PubSubPublisher("p", "scrape-jobs", timeout_seconds=1800, batch_seconds=0.05)
started = time.monotonic()
assert sum(isinstance(each, str) for each in publisher.publish_all(messages(count, data))) == count
print(count / (time.monotonic() - started))
"""


def publish_bare(host: str, count: int, example: bytes) -> float:
    """Return the messages per second of a process that does nothing but publish."""
    done = subprocess.run(
        [sys.executable, "-c", BARE_CLIENT, str(count)],
        input=example,
        capture_output=True,
        check=True,
        cwd=ROOT,
        env=environment(PUBSUB_EMULATOR_HOST=host),
    )
    return float(done.stdout)


def main(count: int) -> None:
    """Measure, and print the numbers."""
    urls = "".join(URL.format(number=number) + "\n" for number in range(count))
    limits = {"max_jobs": max(count, 1)}
    with (
        running_process("--ephemeral") as pubsub,
        connect(pubsub.host) as client,
        running_site() as site,
        running_dispatcher(pubsub.host, **SETTINGS) as dispatcher,
    ):
        client.publisher.create_topic(name=TOPIC)
        subscription = client.subscription(TOPIC)
        file = site.add("/urls.txt.gz", http(200, gzip.compress(urls.encode())))
        dispatcher.dispatch({"urls": [URL.format(number=0)]}, run_id="warm-up")
        [received] = client.pull(subscription)
        client.subscriber.delete_subscription(subscription=subscription)
        idle = dispatcher.peak_memory()
        started = time.monotonic()
        sources = {"urls_file": {"url": file}}
        response = dispatcher.dispatch(sources, DISPATCH_SECONDS, run_id="measured", limits=limits)
        rate = count / (time.monotonic() - started)
        assert response["published"] == count, response
        memory = (dispatcher.peak_memory() - idle) / MIB
        bare = publish_bare(pubsub.host, count, received.message.data)
    print(f"{count:,} URLs: {rate:,.0f} jobs per second, {rate / bare:.2f} of a bare client ({bare:,.0f})")
    print(f"memory beyond the idle process: {memory:.0f} MiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
