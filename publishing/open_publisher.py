"""Makes the publisher of the broker that BROKER_URL names; no other code of the services knows the broker."""

from collections.abc import Callable, Mapping
from typing import Protocol, Self

from contract.broker_url import BrokerAddress, broker_address
from contract.faults import ConfidentialFault
from publishing.publisher import Publisher
from publishing.pubsub.publisher import PubSubPublisher


class TopicPublisher(Publisher, Protocol):
    """A publisher that can make others for further topics."""

    def for_topic(self, topic: str, *, retries: bool = True) -> Self:
        """Return a publisher for another topic, over the same connection.

        Args:
            topic: the topic's name.
            retries: whether a message is sent again after a transient error.
        """

    def labels(self, timeout_seconds: float) -> Mapping[str, str]:
        """Return the labels of the topic, which carry the operator's controls; none if it can have none."""

    def close(self) -> None:
        """Send the queued messages and accept no more; do not wait for confirmations."""


class LabelPublisher(TopicPublisher, Protocol):
    """The publisher of a broker other than Pub/Sub, which also changes the labels of its topic."""

    def set_labels(self, labels: Mapping[str, str], timeout_seconds: float) -> None:
        """Replace the labels of the topic; return once the broker has confirmed it.

        Raises:
            PublishUnconfirmed: if the broker does not confirm it.
        """


def open_publisher(
    broker_url: str, project: str, topic: str, *, timeout_seconds: float, batch_seconds: float
) -> TopicPublisher:
    """Return a publisher; call this once per process, after the fork.

    Args:
        broker_url: the broker's URL; `""` for Pub/Sub.
        project: the project of the topic, on Pub/Sub.
        topic: the topic's name.
        timeout_seconds: how long a call may wait for its confirmations, in all.
        batch_seconds: how long a message waits for further messages that are sent together with it.

    Raises:
        ConfidentialFault: if the URL is invalid.
        ImportError: if the package that the broker needs is not installed.
    """
    if not broker_url:
        return PubSubPublisher(project, topic, timeout_seconds=timeout_seconds, batch_seconds=batch_seconds)
    return _import_publisher(broker_url)(
        broker_url, topic, timeout_seconds=timeout_seconds, batch_seconds=batch_seconds
    )


def check_broker(broker_url: str) -> str:
    """Check that a publisher can be made for a URL; return the URL. Nothing connects to the broker.

    Raises:
        ConfidentialFault: if the URL is invalid or names a file that cannot be used, or if the package that
            the broker needs is not installed.
    """
    if broker_url:
        try:
            _import_publisher(broker_url)
        except ImportError as error:
            raise ConfidentialFault(str(error)) from error
        if check := _CHECKS.get(broker_address(broker_url).kind):
            check(broker_url)
    return broker_url


def _import_publisher(broker_url: str) -> Callable[..., TopicPublisher]:
    address = broker_address(broker_url)
    try:
        return _PUBLISHERS[address.kind]()
    except ModuleNotFoundError as error:
        raise ImportError(describe_missing_client(address, error)) from error


def describe_missing_client(address: BrokerAddress, error: ModuleNotFoundError) -> str:
    """Return a sentence that says which package a broker needs, and how to install it."""
    install = f"pip install 'scrapeq[{address.kind}]'"
    return f"BROKER_URL={address.scheme}://… needs the package {error.name}: {install}"


def _rabbitmq() -> Callable[..., TopicPublisher]:
    from publishing.rabbitmq.publisher import RabbitMqPublisher  # noqa: PLC0415 - needs an extra package

    return RabbitMqPublisher


def _check_rabbitmq(broker_url: str) -> None:
    from publishing.rabbitmq.connection import (  # noqa: PLC0415 - needs an extra package
        connection_parameters,
    )

    connection_parameters(broker_url, "")


def _redis() -> Callable[..., TopicPublisher]:
    from publishing.redis.publisher import RedisPublisher  # noqa: PLC0415 - needs an extra package

    return RedisPublisher


def _check_redis(broker_url: str) -> None:
    from publishing.redis.connection import connection_parameters  # noqa: PLC0415 - needs an extra package

    connection_parameters(broker_url, "")


def _sqs() -> Callable[..., TopicPublisher]:
    from publishing.sqs.publisher import SqsPublisher  # noqa: PLC0415 - needs an extra package

    return SqsPublisher


#: For each broker, what imports its publisher.
_PUBLISHERS = {"rabbitmq": _rabbitmq, "redis": _redis, "sqs": _sqs}
#: For the brokers whose URLs may name files, what checks these.
_CHECKS = {"rabbitmq": _check_rabbitmq, "redis": _check_redis}
