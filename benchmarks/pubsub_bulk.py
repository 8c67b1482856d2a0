"""Measure operations on a million messages: `python -m benchmarks.pubsub_bulk [--messages 1000000]`.

While each operation runs, another client publishes messages to another topic, one after the other. The
benchmark prints the duration of the operation, the duration until its rows are removed from the disk, and the
longest of the other calls. The first line is the longest call without such an operation.
"""

import argparse
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import PubsubMessage

from benchmarks.pubsub_process import started
from localpubsub.protocol.messages import PubsubMessage as Record
from localpubsub.storage import slices
from localpubsub.storage.store import Store
from localpubsub.storage.transaction import Transaction

TOPIC, OTHER_TOPIC = "projects/bench/topics/full", "projects/bench/topics/other"
FULL, EMPTY, OTHER = (f"projects/bench/subscriptions/{name}" for name in ("full", "empty", "other"))
SNAPSHOT = "projects/bench/snapshots/full"


@dataclass
class Clients:
    """Clients of one server."""

    publisher: PublisherClient
    subscriber: SubscriberClient


@contextmanager
def connected(host: str) -> Iterator[Clients]:
    """Yield clients with a channel of their own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(host, options) as channel:
        yield Clients(
            PublisherClient(transport=PublisherGrpcTransport(channel=channel)),
            SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)),
        )


@dataclass
class Prober:
    """Publishes one message after the other in a thread, and notes the durations in seconds."""

    clients: Clients
    durations: list[float] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Publish until ``stopped`` is set."""
        messages = [PubsubMessage(data=b"x" * 100)]
        while not self.stopped.is_set():
            began = time.monotonic()
            self.clients.publisher.publish(topic=OTHER_TOPIC, messages=messages, retry=None, timeout=300)
            self.durations.append(time.monotonic() - began)


def fill(data: Path, messages: int, size: int) -> None:
    """Add messages to the backlog of the full subscription, directly in the store."""
    store = Store(data / "pubsub.sqlite")
    topic = next(number for number, encoded in store.topics() if b"topics/full" in encoded)
    backlog = next(number for _, encoded, number in store.subscriptions() if b"subscriptions/full" in encoded)
    first = int(time.time() * 1e6) - messages - 60_000_000
    for start in range(first, first + messages, 1000):
        transaction = Transaction()
        numbers = range(start, start + 1000)
        records = [
            (each, Record(data=b"x" * size, message_id=str(each)).SerializeToString()) for each in numbers
        ]
        transaction.publish(topic, [backlog], records)
        store.write(transaction)
    store.close()


def has_removed_rows(connection: sqlite3.Connection) -> bool:
    """Return whether there are rows of a number that belongs to nothing; they are being removed."""
    known = connection.execute(
        "SELECT backlog FROM subscription UNION SELECT number FROM snapshot"
    ).fetchall()
    found = {*slices.numbers(connection, "backlog"), *slices.numbers(connection, "retained")}
    return not found <= {number for (number,) in known}


def measure(name: str, host: str, database: Path, operation: Callable[[], object]) -> None:
    """Run an operation beside a prober, and print the durations."""
    with connected(host) as clients, closing(sqlite3.connect(database)) as connection:
        prober = Prober(clients)
        thread = threading.Thread(target=prober.run)
        thread.start()
        began = time.monotonic()
        operation()
        returned = time.monotonic() - began
        while has_removed_rows(connection):
            time.sleep(0.05)
        removed = time.monotonic() - began
        prober.stopped.set()
        thread.join()
    durations = sorted(prober.durations)
    print(
        f"{name}: {returned:.2f} s, rows removed after {removed:.2f} s; {len(durations)} other calls, "
        f"99 % within {durations[int(len(durations) * 0.99)] * 1e3:.1f} ms, "
        f"longest {durations[-1] * 1e3:.1f} ms",
        flush=True,
    )


def main() -> None:
    """Measure and print the results."""
    options = argparse.ArgumentParser(description="operations on many messages")
    options.add_argument("--messages", type=int, default=1_000_000)
    options.add_argument("--size", type=int, default=100, help="bytes of data")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory)
        with started("localpubsub", data) as server, connected(server.host) as clients:
            for topic in (TOPIC, OTHER_TOPIC):
                clients.publisher.create_topic(name=topic)
            for name, topic in ((FULL, TOPIC), (EMPTY, TOPIC), (OTHER, OTHER_TOPIC)):
                clients.subscriber.create_subscription(name=name, topic=topic)
        fill(data, chosen.messages, chosen.size)
        with started("localpubsub", data) as server, connected(server.host) as clients:
            subscriber = clients.subscriber
            end = datetime.now(UTC) + timedelta(hours=1)
            operations: dict[str, Callable[[], object]] = {
                "nothing": lambda: time.sleep(5),
                "delete an empty subscription": lambda: subscriber.delete_subscription(subscription=EMPTY),
                "create a snapshot of all": lambda: subscriber.create_snapshot(
                    name=SNAPSHOT, subscription=FULL, timeout=300
                ),
                "purge all": lambda: subscriber.seek({"subscription": FULL, "time": end}, timeout=300),
                "seek to the snapshot": lambda: subscriber.seek(
                    {"subscription": FULL, "snapshot": SNAPSHOT}, timeout=300
                ),
                "delete the snapshot": lambda: subscriber.delete_snapshot(snapshot=SNAPSHOT),
                "purge all without a snapshot": lambda: subscriber.seek(
                    {"subscription": FULL, "time": end}, timeout=300
                ),
            }
            for name, operation in operations.items():
                measure(name, server.host, data / "pubsub.sqlite", operation)


if __name__ == "__main__":
    main()
