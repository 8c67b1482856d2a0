"""Compare localpubsub with the official emulator: `make bench-pubsub` or `python -m benchmarks.pubsub`.

Each round measures every number on both servers, one after the other. A ratio compares two numbers of the
same round, because the machine may be slower in the next round. The table shows the medians of the ratios.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import grpc
from google.cloud.pubsub_v1 import PublisherClient as BatchingPublisher
from google.cloud.pubsub_v1 import SubscriberClient as CallbackSubscriber
from google.cloud.pubsub_v1.subscriber.message import Message
from google.cloud.pubsub_v1.types import BatchSettings
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import PushConfig, Subscription

import localpubsub
from benchmarks import pubsub_ordered_streaming
from benchmarks.pubsub_process import ServerProcess, measured_on_emulator, started
from console.stack.ports import free_port

if TYPE_CHECKING:
    from concurrent.futures import Future

TIMEOUT_SECONDS = 120
MAX_UNCONFIRMED = 5_000  #: maximum number of messages that are published and not yet confirmed
MAX_PULLED = 1_000  #: maximum number of messages that one pull requests
DATA = b"x" * 1_000
SERVERS = ("localpubsub", "emulator")
Measure = Callable[["Bench", ServerProcess], float]


@dataclass
class Bench:
    """Scales the number of messages of each measurement."""

    scale: float  #: share of the full number of messages, 0 to 1

    def count(self, messages: int) -> int:
        """Return the scaled number of messages, which is at least 20."""
        return max(20, int(messages * self.scale))


@dataclass
class TopicWithSubscription:
    """A topic with one subscription on a server."""

    channel: grpc.Channel
    topic: str
    subscription: str
    subscriber: SubscriberClient

    def publish(self, messages: int) -> float:
        """Publish in bulk with the official client; return the seconds until the last confirmation."""
        client = BatchingPublisher(
            BatchSettings(max_messages=1000, max_bytes=5_000_000, max_latency=0.01),
            transport=PublisherGrpcTransport(channel=self.channel),
        )
        waiting: deque[Future[str]] = deque()
        began = time.monotonic()
        for _ in range(messages):
            waiting.append(client.publish(self.topic, DATA))
            if len(waiting) >= MAX_UNCONFIRMED:
                waiting.popleft().result(timeout=TIMEOUT_SECONDS)
        for future in waiting:
            future.result(timeout=TIMEOUT_SECONDS)
        seconds = time.monotonic() - began
        client.stop()
        return seconds


@contextmanager
def topic_with_subscription(
    server: ServerProcess, name: str, push: str = "", *, ordered: bool = False
) -> Iterator[TopicWithSubscription]:
    """Create a topic and its subscription, which exist until the server ends."""
    topic, subscription = f"projects/bench/topics/{name}", f"projects/bench/subscriptions/{name}"
    with grpc.insecure_channel(server.host, options=[("grpc.max_receive_message_length", -1)]) as channel:
        PublisherClient(transport=PublisherGrpcTransport(channel=channel)).create_topic(name=topic)
        subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        config = PushConfig(push_endpoint=push)
        resource = Subscription(name=subscription, topic=topic, push_config=config, ack_deadline_seconds=60)
        resource.enable_message_ordering = ordered
        subscriber.create_subscription(resource)
        yield TopicWithSubscription(channel, topic, subscription, subscriber)


@contextmanager
def endpoint(delay: float) -> Iterator[str]:
    """Run a push endpoint in a separate process; yield its URL."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.pubsub_endpoint", "--port", str(port), "--delay", str(delay)]
    with subprocess.Popen(command) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/", 0)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.kill()


def publish_rate(bench: Bench, server: ServerProcess) -> float:
    """Return how many messages of 1 KB per second the official client publishes with confirmation."""
    messages = bench.count(20_000)
    with topic_with_subscription(server, "publish") as topic:
        topic.publish(bench.count(2_000))
        return messages / topic.publish(messages)


def push_rate(bench: Bench, server: ServerProcess, delay: float, messages: int) -> float:
    """Return the pushes per second from a backlog to an endpoint that responds after ``delay`` seconds."""
    messages = bench.count(messages)
    with endpoint(delay) as url, topic_with_subscription(server, f"push-{delay * 1000:.0f}") as topic:
        topic.publish(messages)
        began = time.monotonic()
        topic.subscriber.modify_push_config(
            subscription=topic.subscription, push_config=PushConfig(push_endpoint=url)
        )
        _wait_for(url, messages)
        return messages / (time.monotonic() - began)


def pull_rate(bench: Bench, server: ServerProcess) -> float:
    """Return the messages per second that are pulled and acknowledged, up to 1,000 in one call."""
    messages = bench.count(20_000)
    with topic_with_subscription(server, "pull") as topic:
        topic.publish(messages)
        began, found = time.monotonic(), 0
        subscription, subscriber = topic.subscription, topic.subscriber
        while found < messages:
            response = subscriber.pull(
                subscription=subscription, max_messages=MAX_PULLED, timeout=TIMEOUT_SECONDS
            )
            ids = [received.ack_id for received in response.received_messages]
            subscriber.acknowledge(subscription=subscription, ack_ids=ids)
            found += len(ids)
        return messages / (time.monotonic() - began)


def streaming_rate(bench: Bench, server: ServerProcess) -> float:
    """Return how many messages per second the official client passes to a callback that acknowledges them."""
    messages = bench.count(10_000)
    with topic_with_subscription(server, "stream") as topic:
        topic.publish(messages)
        client = CallbackSubscriber(transport=SubscriberGrpcTransport(channel=topic.channel))
        finished, seen = Event(), set[str]()

        def callback(message: Message) -> None:
            message.ack()
            seen.add(message.message_id)
            if len(seen) == messages:
                finished.set()

        began = time.monotonic()
        pulling = client.subscribe(topic.subscription, callback)
        if not finished.wait(TIMEOUT_SECONDS):
            sys.exit(f"{server.name}: only {len(seen)} of {messages} came")
        seconds = time.monotonic() - began
        pulling.cancel()
        pulling.result(timeout=TIMEOUT_SECONDS)
        return messages / seconds


def ordered_streaming_rate(server: ServerProcess, keys: dict[str, int]) -> float:
    """Return the messages per second of a stream that gets each key in order and acks every 100 ms."""
    with topic_with_subscription(server, f"ordered-{len(keys)}", ordered=True) as topic:
        pubsub_ordered_streaming.publish(topic, keys)
        seconds = pubsub_ordered_streaming.seconds_to_receive(topic, keys, 3 * TIMEOUT_SECONDS)
        return sum(keys.values()) / seconds


#: The measurements of a running server: maps name and unit to the function; a higher result is better.
RATES: dict[str, Measure] = {
    "publish, messages/s": publish_rate,
    "push, endpoint of 0 ms, messages/s": lambda bench, server: push_rate(bench, server, 0, 3_000),
    "push, endpoint of 200 ms, messages/s": lambda bench, server: push_rate(
        bench, server, 0.2, 6_000 if server.name == "localpubsub" else 60
    ),
    "pull and acknowledge, messages/s": pull_rate,
    "streaming pull, messages/s": streaming_rate,
    "ordered streaming, 1,000 messages of one key, messages/s": lambda bench, server: ordered_streaming_rate(
        server, {"key": bench.count(1_000)}
    ),
    "ordered streaming, 10,000 messages, 1,600 of each busy key, messages/s": lambda bench, server: (
        ordered_streaming_rate(server, pubsub_ordered_streaming.messages_of_keys(bench.count(10_000)))
    ),
}
START, MEMORY, LOADED = "start, s", "memory when started, MiB", "memory after all measurements, MiB"


def run(bench: Bench, name: str) -> dict[str, float]:
    """Measure every number on one server."""
    with tempfile.TemporaryDirectory() as data, started(name, Path(data)) as server:
        found = {START: server.seconds_to_start, MEMORY: server.memory()}
        for what, measure in RATES.items():
            found[what] = measure(bench, server)
            print(f"  {name}: {what} {found[what]:.1f}", file=sys.stderr)
        found[LOADED] = server.memory()
    return found


def embedded_start() -> float:
    """Return the milliseconds until ``localpubsub.running()`` serves: the minimum of five starts.

    The time of the imports is not included.
    """

    def once() -> float:
        began = time.monotonic()
        with localpubsub.running():
            return (time.monotonic() - began) * 1000

    return min(once() for _ in range(5))


def table(rounds: list[dict[str, dict[str, float]]], emulator: str) -> str:
    """Return the medians of both servers and of the ratios within rounds, as Markdown.

    ``emulator`` is the head of the emulator's column, with its version and the date of the measurement.
    """
    lines = [f"| | localpubsub | {emulator} | ratio |", "|---|---|---|---|"]
    for what in rounds[0][SERVERS[0]]:
        values: defaultdict[str, list[float]] = defaultdict(list)
        for measured in rounds:
            for name in SERVERS:
                values[name].append(measured[name][what])
        ours, theirs = (values[name] for name in SERVERS)
        ratio = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
        cells = (f"{statistics.median(each):,.{1 if each[0] < 100 else 0}f}" for each in (ours, theirs))
        lines.append(f"| {what} | {' | '.join(cells)} | {ratio:.2f} × |")
    return "\n".join(lines)


def main() -> None:
    """Run the rounds and print the table."""
    options = argparse.ArgumentParser(description="localpubsub compared with the official emulator")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--scale", type=float, default=1.0, help="share of the full number of messages")
    options.add_argument("--only", choices=SERVERS, help="measure only one of the two servers, once")
    chosen = options.parse_args()
    bench = Bench(chosen.scale)
    if chosen.only:
        print(run(bench, chosen.only))
        return
    rounds = []
    for number in range(chosen.rounds):
        order = SERVERS if number % 2 else SERVERS[::-1]
        rounds.append({name: run(bench, name) for name in order})
    print(table(rounds, measured_on_emulator()))
    print(f"\n`localpubsub.running()` serves after {embedded_start():.0f} ms.")


def _wait_for(url: str, posts: int) -> None:
    """Wait until the endpoint has received the given number of pushes."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url) as response:  # noqa: S310 - our own server
                if int(response.read()) >= posts:
                    return
        except OSError:
            pass  # the endpoint does not listen yet
        time.sleep(0.02)
    sys.exit(f"{url} did not receive {posts} pushes within {TIMEOUT_SECONDS} s")


if __name__ == "__main__":
    main()
