"""Measures a StreamingPull of messages with ordering keys, acknowledged every 100 ms as the Go client does.

The Go client collects acks for up to 100 ms before it sends them. So a server that gives one message of a key
at a time delivers ten messages of a key per second.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.types import PubsubMessage, ReceivedMessage, StreamingPullRequest

if TYPE_CHECKING:
    from benchmarks.pubsub import TopicWithSubscription

ACK_INTERVAL = 0.1  #: seconds between two requests with acks
MAX_OUTSTANDING = 1_000  #: the Go client's default MaxOutstandingMessages
MAX_REQUEST_MESSAGES = 500
BUSY_KEYS, BUSY_KEY_MESSAGES, OTHER_KEY_MESSAGES = 4, 1_600, 20


def messages_of_keys(total: int) -> dict[str, int]:
    """Return how many of ``total`` messages each key has.

    Of 10,000 messages, the four busiest keys have 1,600 each, and 180 other keys have 20 each.
    """
    busy = total * BUSY_KEY_MESSAGES // 10_000
    found = {f"busy-{number}": busy for number in range(BUSY_KEYS)}
    rest = total - BUSY_KEYS * busy
    for number, first in enumerate(range(0, rest, OTHER_KEY_MESSAGES)):
        found[f"other-{number}"] = min(OTHER_KEY_MESSAGES, rest - first)
    return found


def publish(topic: "TopicWithSubscription", keys: dict[str, int]) -> None:
    """Publish the messages of each key; the data of a message is its number within the key."""
    publisher = PublisherClient(transport=PublisherGrpcTransport(channel=topic.channel))
    for key, count in keys.items():
        for first in range(0, count, MAX_REQUEST_MESSAGES):
            numbers = range(first, min(count, first + MAX_REQUEST_MESSAGES))
            messages = [PubsubMessage(data=b"%d" % number, ordering_key=key) for number in numbers]
            publisher.publish(topic=topic.topic, messages=messages)


def seconds_to_receive(topic: "TopicWithSubscription", keys: dict[str, int], timeout: float) -> float:
    """Return the seconds until all messages were received; raise ValueError if a key is not in order."""
    requests: SimpleQueue[StreamingPullRequest | None] = SimpleQueue()
    requests.put(
        StreamingPullRequest(
            subscription=topic.subscription,
            stream_ack_deadline_seconds=60,
            max_outstanding_messages=MAX_OUTSTANDING,
        )
    )
    acks: list[str] = []
    ended = threading.Event()

    def send_acks() -> None:
        while not ended.wait(ACK_INTERVAL):
            sent = len(acks)
            if sent:
                requests.put(StreamingPullRequest(ack_ids=acks[:sent]))
                del acks[:sent]

    sender = threading.Thread(target=send_acks)
    sender.start()
    began = time.monotonic()
    # The type stubs declare an iterable of responses, not the call object, which has cancel().
    call = cast("Any", topic.subscriber.streaming_pull(iter(requests.get, None), timeout=timeout))
    try:
        receive_in_order(
            (received for response in call for received in response.received_messages), acks, dict(keys)
        )
        return time.monotonic() - began
    finally:
        ended.set()
        sender.join()
        requests.put(None)
        call.cancel()


def receive_in_order(messages: Iterator[ReceivedMessage], acks: list[str], remaining: dict[str, int]) -> None:
    """Receive until no key has a remaining message; raise ValueError if a key is not in order."""
    seen: defaultdict[str, int] = defaultdict(int)
    for received in messages:
        key, number = received.message.ordering_key, int(received.message.data)
        acks.append(received.ack_id)
        if number > seen[key]:
            raise ValueError(f"message {number} of {key} came before message {seen[key]}")
        if number < seen[key]:
            continue  # a redelivery
        seen[key] += 1
        if seen[key] == remaining[key]:
            del remaining[key]
            if not remaining:
                return
