"""What a test works with: the real clients, and names nobody else has."""

import itertools
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from google.api_core.exceptions import GoogleAPICallError
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.types import PubsubMessage, ReceivedMessage, Subscription, Topic

from tests.conformance.servers import PubsubServer

PROJECT: Final = "conformance"
_numbers = itertools.count(1)


class Workplace:
    """The clients of google-cloud-pubsub's own gRPC layer, which changes nothing on the way."""

    def __init__(
        self, server: PubsubServer, patience: float, publisher: PublisherClient, subscriber: SubscriberClient
    ) -> None:
        self.patience = patience  #: seconds to wait for a fact
        self.server = server
        self.publisher = publisher
        self.subscriber = subscriber
        self._pushed: list[str] = []

    def name(self, collection: str) -> str:
        """A name not used before."""
        return f"projects/{PROJECT}/{collection}/name-{next(_numbers)}"

    def topic(self, **fields: object) -> str:
        """Name of a new topic."""
        return self.publisher.create_topic(Topic(name=self.name("topics"), **fields)).name

    def subscription(self, topic: str, **fields: object) -> str:
        """Name of a new subscription."""
        return self.created(topic, **fields).name

    def created(self, topic: str, **fields: object) -> Subscription:
        """A new subscription as the server answers it."""
        request = Subscription(name=self.name("subscriptions"), topic=topic, **fields)
        if request.push_config.push_endpoint:
            self._pushed.append(request.name)
        return self.subscriber.create_subscription(request)

    def stop_pushing(self) -> None:
        """Delete what would be pushed for ever to an endpoint that is gone, or is another test's."""
        for name in self._pushed:
            with suppress(GoogleAPICallError):
                self.subscriber.delete_subscription(subscription=name, timeout=10)

    def publish(self, topic: str, *data: bytes, **attributes: str) -> list[str]:
        """Ids of messages published in one request, in order."""
        messages = [PubsubMessage(data=each, attributes=attributes) for each in data]
        return list(self.publisher.publish(topic=topic, messages=messages).message_ids)

    def pull(self, subscription: str, count: int = 1) -> list[ReceivedMessage]:
        """Exactly ``count`` messages, once they have come."""
        found: list[ReceivedMessage] = []
        until = time.monotonic() + self.patience
        while len(found) < count and time.monotonic() < until:
            answer = self.subscriber.pull(
                subscription=subscription, max_messages=count, timeout=self.patience
            )
            found += answer.received_messages
        assert len(found) == count, f"{len(found)} messages instead of {count}"
        return found

    def waiting(self, subscription: str) -> list[ReceivedMessage]:
        """What is there at once."""
        request = {"subscription": subscription, "max_messages": 100, "return_immediately": True}
        with warnings.catch_warnings():
            # Deprecated for production, where an empty answer proves nothing; here it does, and nobody waits.
            warnings.simplefilter("ignore", DeprecationWarning)
            return list(self.subscriber.pull(request).received_messages)

    def ack(self, subscription: str, messages: Sequence[ReceivedMessage]) -> None:
        """Acknowledge."""
        self.subscriber.acknowledge(
            subscription=subscription, ack_ids=[message.ack_id for message in messages]
        )

    def nack(self, subscription: str, messages: Sequence[ReceivedMessage]) -> None:
        """Refuse, as the official client does: deadline 0."""
        self.subscriber.modify_ack_deadline(
            subscription=subscription,
            ack_ids=[message.ack_id for message in messages],
            ack_deadline_seconds=0,
        )
