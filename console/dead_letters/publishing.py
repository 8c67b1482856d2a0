"""Publishes messages, and returns when Pub/Sub or another broker has confirmed all of them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from google.pubsub_v1 import PublisherClient as Client
from google.pubsub_v1 import types

from console.dead_letters.queue import CALL_TIMEOUT_SECONDS
from console.stack.pubsub_connection import PubsubConnection
from contract.dead_letter import strip_dead_letter_attributes
from contract.topology import JOBS_TOPIC

if TYPE_CHECKING:
    from console.dead_letters.broker import BrokerConnection  # needs the relay, which an image has not

#: Names that cannot be attributes in a call of `PublisherClient.publish`, which takes attributes as keywords.
PARAMETERS: Final = frozenset({"self", "topic", "data", "ordering_key", "retry", "timeout"})


class Message(NamedTuple):
    """A message to publish."""

    data: bytes
    attributes: dict[str, str]
    ordering_key: str = ""


#: A connection to Pub/Sub or to another broker.
Connection: TypeAlias = "PubsubConnection | BrokerConnection"


def publish(pubsub: Connection, topic: str, messages: Iterable[Message]) -> None:
    """Publish messages to a topic, and wait for the confirmations.

    Args:
        pubsub: a connection.
        topic: the topic's short name.
        messages: the messages.

    Raises:
        GoogleAPIError: Pub/Sub refused a publish.
        TimeoutError: a publish was not confirmed in time.
        BrokerError: another broker did not confirm a publish.
    """
    if not isinstance(pubsub, PubsubConnection):
        pubsub.publish(topic, messages)
        return
    confirmations = []
    for message in messages:
        if PARAMETERS & message.attributes.keys():
            _publish_at_once(pubsub, topic, message)
            continue
        confirmations.append(
            pubsub.publisher.publish(
                pubsub.topic(topic),
                message.data,
                ordering_key=message.ordering_key,
                retry=None,  # with message ordering the client would retry forever
                timeout=CALL_TIMEOUT_SECONDS,
                **message.attributes,
            )
        )
    for confirmation in confirmations:
        confirmation.result(timeout=CALL_TIMEOUT_SECONDS)


def _publish_at_once(pubsub: PubsubConnection, topic: str, message: Message) -> None:
    """Publish a message whose attributes have names that the client's `publish` takes for its parameters."""
    Client.publish(
        pubsub.publisher,
        topic=pubsub.topic(topic),
        messages=[
            types.PubsubMessage(
                data=message.data, attributes=message.attributes, ordering_key=message.ordering_key
            )
        ],
        retry=None,
        timeout=CALL_TIMEOUT_SECONDS,
    )


def publish_jobs_again(pubsub: Connection, dead_letters: Sequence[types.PubsubMessage]) -> None:
    """Publish dead letters as the jobs that they were.

    The attributes that Pub/Sub and the worker added are removed; body, other attributes and ordering key are
    kept. A message that is no job is published as well: a later version may be able to read it.

    Raises:
        GoogleAPIError, TimeoutError, BrokerError: as of `publish`.
    """
    publish(
        pubsub,
        JOBS_TOPIC,
        (
            Message(each.data, dict(strip_dead_letter_attributes(each.attributes)), each.ordering_key)
            for each in dead_letters
        ),
    )
