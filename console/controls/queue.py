"""Opens the queue of a stack for an operator: that of Pub/Sub, or that of another broker."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1 import types

from console.controls.operator_queue import CALL_SECONDS, OperatorQueue
from console.stack.pubsub_address import PubsubAddress
from console.stack.pubsub_connection import open_pubsub
from contract.operator_act import OperatorAct
from contract.topology import JOBS_TOPIC, OPERATOR_TOPIC, PUSH_SUBSCRIPTION


@dataclass(frozen=True)
class PubsubQueue(OperatorQueue):
    """The queue on Pub/Sub.

    Attributes:
        publisher: client of Pub/Sub.
        subscriber: client of Pub/Sub.
    """

    publisher: PublisherClient
    subscriber: SubscriberClient

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """See `OperatorQueue.failures`."""
        return (GoogleAPIError, GoogleAuthError, TimeoutError)

    def push_subscription(self) -> types.Subscription:
        """See `OperatorQueue.push_subscription`."""
        with self._reported("The push subscription could not be read"):
            found: types.Subscription = self.subscriber.get_subscription(
                subscription=self._push_subscription, timeout=CALL_SECONDS, retry=None
            )
            return found

    def set_push_config(self, push_config: types.PushConfig) -> None:
        """See `OperatorQueue.set_push_config`."""
        with self._reported("The act is recorded, but not in force: give the command again. Pub/Sub failed"):
            self.subscriber.modify_push_config(
                subscription=self._push_subscription,
                push_config=push_config,
                timeout=CALL_SECONDS,
                retry=None,
            )

    @property
    def _push_subscription(self) -> str:
        return self.address.subscription(PUSH_SUBSCRIPTION)

    def _publish(self, act: OperatorAct) -> None:
        self.publisher.publish(
            self.address.topic(OPERATOR_TOPIC),
            act.encode(),
            retry=None,
            timeout=CALL_SECONDS,
            **act.attributes(),
        ).result(timeout=CALL_SECONDS)

    def _labels(self) -> dict[str, str]:
        topic = self.publisher.get_topic(
            topic=self.address.topic(JOBS_TOPIC), timeout=CALL_SECONDS, retry=None
        )
        return dict(topic.labels)

    def _set_labels(self, labels: Mapping[str, str], seconds: float) -> None:
        topic = types.Topic(name=self.address.topic(JOBS_TOPIC), labels=dict(labels))
        request = {"topic": topic, "update_mask": {"paths": ["labels"]}}
        self.publisher.update_topic(request=request, timeout=seconds, retry=None)


@contextmanager
def open_queue(address: PubsubAddress) -> Iterator[OperatorQueue]:
    """Yield the queue of a stack.

    Raises:
        PubsubAccessError: there are no credentials.
        BrokerError: its client is not installed.
    """
    if address.broker_url:
        from console.controls.broker_queue import (  # noqa: PLC0415 - needs the relay, which an image has not
            open_broker_queue,
        )

        with open_broker_queue(address) as queue:
            yield queue
        return
    with open_pubsub(address) as pubsub:
        yield PubsubQueue(pubsub.publisher, pubsub.subscriber, address=address)
