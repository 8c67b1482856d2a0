"""Provides Pub/Sub clients for tests, and resource names that are unique in the process."""

import itertools
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from google.api_core.exceptions import GoogleAPICallError
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.types import PubsubMessage, ReceivedMessage, Subscription, Topic

from tests.servers.pubsub import PubsubServer, gapic_clients, localpubsub_server
from tests.servers.waiting import MAX_WAIT_SECONDS

PROJECT: Final = "conformance"
_numbers = itertools.count(1)


class PubsubClient:
    """The generated gRPC clients of google-cloud-pubsub, which send each request unchanged.

    Attributes:
        timeout: seconds to wait for messages.
        server: the Pub/Sub that the clients are connected to.
        publisher: the client for topics.
        subscriber: the client for subscriptions and snapshots.
    """

    def __init__(
        self, server: PubsubServer, timeout: float, publisher: PublisherClient, subscriber: SubscriberClient
    ) -> None:
        self.timeout = timeout
        self.server = server
        self.publisher = publisher
        self.subscriber = subscriber
        self._pushed: list[str] = []

    def name(self, collection: str) -> str:
        """Return a resource name that was not used before; `collection` is for example ``topics``."""
        return f"projects/{PROJECT}/{collection}/name-{next(_numbers)}"

    def topic(self, **fields: object) -> str:
        """Create a topic and return its name."""
        return self.publisher.create_topic(Topic(name=self.name("topics"), **fields)).name

    def subscription(self, topic: str, **fields: object) -> str:
        """Create a subscription and return its name."""
        return self.created(topic, **fields).name

    def created(self, topic: str, **fields: object) -> Subscription:
        """Create a subscription and return the server's response."""
        request = Subscription(name=self.name("subscriptions"), topic=topic, **fields)
        if request.push_config.push_endpoint:
            self._pushed.append(request.name)
        return self.subscriber.create_subscription(request)

    def stop_pushing(self) -> None:
        """Delete the push subscriptions, so that the server stops pushing to an endpoint that has ended."""
        for name in self._pushed:
            with suppress(GoogleAPICallError):
                self.subscriber.delete_subscription(subscription=name, timeout=10)

    def publish(self, topic: str, *data: bytes, **attributes: str) -> list[str]:
        """Publish messages in one request and return their ids in order."""
        messages = [PubsubMessage(data=each, attributes=attributes) for each in data]
        return list(self.publisher.publish(topic=topic, messages=messages).message_ids)

    def pull(self, subscription: str, count: int = 1) -> list[ReceivedMessage]:
        """Pull until exactly ``count`` messages were received, and return them."""
        found: list[ReceivedMessage] = []
        until = time.monotonic() + self.timeout
        while len(found) < count and time.monotonic() < until:
            response = self.subscriber.pull(
                subscription=subscription, max_messages=count - len(found), timeout=self.timeout
            )
            found += response.received_messages
        assert len(found) == count, f"{len(found)} messages instead of {count}"
        return found

    def pull_now(self, subscription: str) -> list[ReceivedMessage]:
        """Return the messages that are deliverable now, without waiting."""
        request = {"subscription": subscription, "max_messages": 100, "return_immediately": True}
        with warnings.catch_warnings():
            # return_immediately is deprecated because Google's service may return an empty response although
            # the backlog is not empty. The servers under test do not.
            warnings.simplefilter("ignore", DeprecationWarning)
            return list(self.subscriber.pull(request).received_messages)

    def ack(self, subscription: str, messages: Sequence[ReceivedMessage]) -> None:
        """Acknowledge messages."""
        self.subscriber.acknowledge(
            subscription=subscription, ack_ids=[message.ack_id for message in messages]
        )

    def nack(self, subscription: str, messages: Sequence[ReceivedMessage]) -> None:
        """Nack messages as the official client does: with an ack deadline of 0."""
        self.subscriber.modify_ack_deadline(
            subscription=subscription,
            ack_ids=[message.ack_id for message in messages],
            ack_deadline_seconds=0,
        )


@contextmanager
def connect(server: PubsubServer | str, timeout: float = MAX_WAIT_SECONDS) -> Iterator[PubsubClient]:
    """Yield clients of a server, which is given as an object or by its gRPC address ``host:port``."""
    if isinstance(server, str):
        server = PubsubServer("localpubsub", server, None)
    with gapic_clients(server.host) as clients:
        yield PubsubClient(server, timeout, *clients)


@contextmanager
def running_localpubsub(**options: Any) -> Iterator[PubsubClient]:  # noqa: ANN401 - each option has its type
    """Run localpubsub in this process with these options until the block ends; yield clients of it."""
    with localpubsub_server(**options) as server, connect(server) as client:
        yield client
