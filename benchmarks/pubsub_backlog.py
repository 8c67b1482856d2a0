"""Measure a backlog of a million messages: `python -m benchmarks.pubsub_backlog [--messages 1000000]`.

The benchmark prints localpubsub's memory while messages of 1 KB arrive, and the duration of a start after
SIGKILL.
"""

import argparse
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from google.cloud.pubsub_v1 import PublisherClient as BatchingPublisher
from google.cloud.pubsub_v1.types import BatchSettings
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from benchmarks.pubsub_process import ServerProcess, started

if TYPE_CHECKING:
    from concurrent.futures import Future

TOPIC = "projects/bench/topics/topic"
SUBSCRIPTION = "projects/bench/subscriptions/subscription"
MAX_UNCONFIRMED = 5_000  #: maximum number of messages that are published and not yet confirmed


def publish(server: ServerProcess, messages: int, size: int) -> float:
    """Publish with the official client; return the server's maximum memory in MiB."""
    peak = 0.0
    with grpc.insecure_channel(server.host) as channel:
        PublisherClient(transport=PublisherGrpcTransport(channel=channel)).create_topic(name=TOPIC)
        subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        subscriber.create_subscription(name=SUBSCRIPTION, topic=TOPIC)
        client = BatchingPublisher(
            BatchSettings(max_messages=1000, max_bytes=5_000_000, max_latency=0.05),
            transport=PublisherGrpcTransport(channel=channel),
        )
        waiting: deque[Future[str]] = deque()
        data = b"x" * size
        for number in range(messages):
            waiting.append(client.publish(TOPIC, data))
            if len(waiting) >= MAX_UNCONFIRMED:
                waiting.popleft().result(timeout=60)
            if number % 50_000 == 0:
                peak = max(peak, server.memory())
        for future in waiting:
            future.result(timeout=60)
        client.stop()
    return max(peak, server.memory())


def main() -> None:
    """Measure and print the results."""
    options = argparse.ArgumentParser(description="a backlog that no subscriber reads")
    options.add_argument("--messages", type=int, default=1_000_000)
    options.add_argument("--size", type=int, default=1_000, help="bytes of data")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory)
        with started("localpubsub", data) as server:
            empty = server.memory()
            began = time.monotonic()
            peak = publish(server, chosen.messages, chosen.size)
            seconds = time.monotonic() - began
            log = (data / "pubsub.sqlite-wal").stat().st_size / 1e6
        print(f"empty: {server.seconds_to_start:.2f} s to start, {empty:.0f} MiB")
        print(
            f"published: {chosen.messages / seconds:.0f} messages/s, at most {peak:.0f} MiB, log {log:.0f} MB"
        )
        with started("localpubsub", data) as server:
            print(f"after SIGKILL: {server.seconds_to_start:.2f} s to start, {server.memory():.0f} MiB")


if __name__ == "__main__":
    main()
