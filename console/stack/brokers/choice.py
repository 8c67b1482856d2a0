"""Reads the broker that an operator has chosen: a name, if its server is started here, or a URL."""

from collections.abc import Mapping
from pathlib import Path

from console.errors import UsageError
from console.ledger.ledger import Ledger
from console.stack.brokers.rabbitmq import RABBITMQ
from console.stack.brokers.redis import REDIS
from console.stack.brokers.server import LocalBroker
from console.stack.brokers.sqs import SQS
from console.stack.stack_file import read_stack
from contract.broker_url import broker_address
from contract.faults import ConfidentialFault

#: The brokers whose server can be started on this machine, by their names.
LOCAL_BROKERS: dict[str, LocalBroker] = {"rabbitmq": RABBITMQ, "redis": REDIS, "sqs": SQS}


def choose_broker(broker: str) -> LocalBroker | None:
    """Return the broker whose server is started on this machine; None for localpubsub and for a URL.

    Args:
        broker: a name of `LOCAL_BROKERS`, or a URL; `""` for localpubsub.

    Raises:
        UsageError: the name or the URL is invalid, or the broker's server is not installed.
    """
    if local := LOCAL_BROKERS.get(broker):
        if missing := local.missing():
            raise UsageError(
                f"{missing}. Or give the URL of a {local.title} that runs, for example "
                f"--broker {local.example}."
            )
    elif broker and "://" not in broker:
        names = ", ".join(LOCAL_BROKERS)
        raise UsageError(f"--broker {broker}: no broker has this name. The names are {names}; or give a URL.")
    elif broker:
        try:
            broker_address(broker)
        except ConfidentialFault as error:
            raise UsageError(f"The URL of --broker {error}.") from None
    return local


def identity_of(broker: str) -> str:
    """Return what identifies a broker, without a password; `""` for localpubsub."""
    if "://" not in broker:
        return broker
    address = broker_address(broker)
    return f"{address.scheme}://{address}"


def client_environment(broker: str) -> Mapping[str, str]:
    """Return the environment variables that the clients of a broker need in addition; none for a URL."""
    local = LOCAL_BROKERS.get(broker)
    return local.client_environment if local else {}


def title_of(broker: str) -> str:
    """Return the name for people of a broker, which is named or has this URL; Pub/Sub for `""`."""
    if not broker:
        return "Pub/Sub"
    local = LOCAL_BROKERS.get(broker)
    return local.title if local else identity_of(broker)


def refuse_other_broker(data: Path, broker: str) -> None:
    """Return if a stack with this broker does not leave jobs of the data directory with another broker.

    Raises:
        UsageError: the last stack had another broker, and has jobs in flight or dead letters there.
    """
    record, ledger = read_stack(data), Ledger(data)
    if record is None or record.broker == identity_of(broker) or not ledger.path.exists():
        return
    accounting = ledger.accounting()
    if not accounting.in_flight and not accounting.dead:
        return
    raise UsageError(
        f"{data} has {accounting.in_flight} jobs in flight and {accounting.dead} dead letters on "
        f"{title_of(record.broker)}, which another broker would not deliver: start it with the "
        "same broker, or choose another directory with --data."
    )
