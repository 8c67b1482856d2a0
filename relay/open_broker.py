"""Makes the broker that BROKER_URL names, and creates its queues; the rest of the relay knows no broker."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from contract.broker_url import broker_address
from publishing.open_publisher import describe_missing_client
from relay.broker import Broker, CannotRelay
from relay.subscriptions import Subscription


class BrokerKind(NamedTuple):
    """What the relay needs of a broker.

    Attributes:
        open: returns a connection to a subscription, which is not yet open. Its arguments are BROKER_URL,
            the subscription, and the maximum number of messages, of each partition, that were received and
            are not settled.
        create: creates topics and queues, and keeps those that exist; returns the names of the queues. It
            raises `relay.broker.CannotRelay` if the broker refuses.
        why_no_partitions: why a subscription cannot have partitions; `""` if it can.
    """

    open: Callable[[str, Subscription, int], Broker]
    create: Callable[[str, Iterable[Subscription]], list[str]]
    why_no_partitions: str = ""


def _rabbitmq() -> BrokerKind:
    from relay.rabbitmq.broker import RabbitMq  # noqa: PLC0415 - needs an extra package
    from relay.rabbitmq.topology import create  # noqa: PLC0415 - needs an extra package

    return BrokerKind(RabbitMq, create)


def _redis() -> BrokerKind:
    from relay.redis.broker import RedisStreams  # noqa: PLC0415 - needs an extra package
    from relay.redis.topology import NO_PARTITIONS, create  # noqa: PLC0415 - needs an extra package

    return BrokerKind(RedisStreams, create, NO_PARTITIONS)


def _sqs() -> BrokerKind:
    from relay.sqs.broker import Sqs  # noqa: PLC0415 - needs an extra package
    from relay.sqs.topology import NO_PARTITIONS, create  # noqa: PLC0415 - needs an extra package

    return BrokerKind(Sqs, create, NO_PARTITIONS)


#: For each broker, what imports it.
_BROKERS = {"rabbitmq": _rabbitmq, "redis": _redis, "sqs": _sqs}


def broker_kind(broker_url: str) -> BrokerKind:
    """Return the broker that a URL names.

    Raises:
        ConfidentialFault: if the URL is invalid.
        CannotRelay: if the broker's client is not installed.
    """
    address = broker_address(broker_url)
    try:
        return _BROKERS[address.kind]()
    except ModuleNotFoundError as error:
        raise CannotRelay(describe_missing_client(address, error)) from None
