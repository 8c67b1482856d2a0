"""Measure messages without ordering key: `python -m benchmarks.pubsub_ordering`.

In each round, one server publishes and pushes the messages of a topic whose subscription has message
ordering, and of one whose subscription has none; the order of the two alternates. The result is the processor
time, which a busy machine changes less than the rate. It includes the client, which is in the same process.
"""

import argparse
import statistics
import time
import urllib.request

import grpc
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import PubsubMessage, PushConfig, Subscription

import localpubsub
from benchmarks.pubsub import endpoint

MESSAGES = 1_000  #: messages of a round
POLL_SECONDS = 0.02
#: Seconds after the last push until its acknowledgement is on disk.
COMMIT_SECONDS = 0.05


def posts(url: str) -> int:
    """Return how many pushes the endpoint has received."""
    with urllib.request.urlopen(url) as response:  # noqa: S310 - our own server
        return int(response.read())


def measure(rounds: int) -> dict[bool, list[float]]:
    """Return the microseconds of CPU time per message, of each round, with message ordering and without."""
    topics = {ordered: f"projects/bench/topics/ordered-{ordered}" for ordered in (False, True)}
    messages = [PubsubMessage(data=b"x" * 1_000) for _ in range(MESSAGES)]
    found: dict[bool, list[float]] = {False: [], True: []}
    with (
        endpoint(0.0) as url,
        localpubsub.running() as server,
        grpc.insecure_channel(server.host) as channel,
    ):
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        for ordered, topic in topics.items():
            publisher.create_topic(name=topic)
            subscription = Subscription(
                name=topic.replace("topics", "subscriptions"),
                topic=topic,
                push_config=PushConfig(push_endpoint=url),
                enable_message_ordering=ordered,
            )
            subscriber.create_subscription(subscription)
        pushed = 0
        for number in range(rounds):
            for ordered in (False, True) if number % 2 else (True, False):
                began = time.process_time()
                publisher.publish(topic=topics[ordered], messages=messages)
                pushed += MESSAGES
                while posts(url) < pushed:
                    time.sleep(POLL_SECONDS)
                time.sleep(COMMIT_SECONDS)
                found[ordered].append((time.process_time() - began) / MESSAGES * 1e6)
    return found


def main() -> None:
    """Run the rounds; print the fastest round, the lower quartile and the median of both."""
    options = argparse.ArgumentParser(description="messages without ordering key, with and without ordering")
    options.add_argument("--rounds", type=int, default=100)
    found = measure(options.parse_args().rounds)
    for ordered, times in found.items():
        quartile, median, _ = statistics.quantiles(times, n=4)
        name = "with message ordering" if ordered else "without message ordering"
        print(f"{name}: fastest {min(times):.1f} µs, quartile {quartile:.1f} µs, median {median:.1f} µs")


if __name__ == "__main__":
    main()
