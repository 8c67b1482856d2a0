"""Finds the Pub/Sub that a command acts on: that of the deployment whose ledger is read, or a local one.

A local stack may have another broker instead.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from console.errors import UsageError
from console.ledger.bigquery_address import DEFAULT_TOPICS, read_bigquery_address
from console.ledger.open_ledger import SCHEME, VARIABLE
from console.stack.brokers.choice import title_of
from console.stack.services import PROJECT
from console.stack.stack_file import running_stack


class PubsubAddress(NamedTuple):
    """A Pub/Sub or another broker, and the stack there.

    Attributes:
        host: `host:port` of a local Pub/Sub; `""` for Google's, with application default credentials.
        project: the project of the topics.
        prefix: prefix of the names of topics and subscriptions.
        broker_url: BROKER_URL of a local stack whose messages another broker carries; `""` for Pub/Sub.
        broker: identifies this broker, as `StackRecord.broker`; `""` if only its URL is known.
    """

    host: str
    project: str = PROJECT
    prefix: str = DEFAULT_TOPICS
    broker_url: str = ""
    broker: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it is that of a local stack, and not Google's."""
        return bool(self.host or self.broker_url)

    @property
    def title(self) -> str:
        """Name of Pub/Sub or of the broker in messages."""
        return title_of(self.broker or self.broker_url)

    def topic(self, name: str) -> str:
        """Return the full name of a topic of contract/topology.py."""
        return f"projects/{self.project}/topics/{self._named(name)}"

    def subscription(self, name: str) -> str:
        """Return the full name of a subscription of contract/topology.py."""
        return f"projects/{self.project}/subscriptions/{self._named(name)}"

    def _named(self, name: str) -> str:
        return f"{self.prefix}{name.removeprefix(DEFAULT_TOPICS)}"


#: Names the topics of a local stack, wherever its Pub/Sub is.
LOCAL: Final = PubsubAddress("localhost")


def address_of(option: str | None, data: Path, environment: Mapping[str, str] = os.environ) -> PubsubAddress:
    """Return the Pub/Sub of the deployment that LEDGER names, of an option, or that of the running stack.

    Args:
        option: `host:port` of a local Pub/Sub; None if no option names one.
        data: data directory of the local stack.
        environment: has the variable LEDGER.

    Raises:
        UsageError: LEDGER is invalid, or LEDGER and the option contradict each other.
        StackNotRunningError: neither names one, and no stack runs in the data directory.
    """
    ledger = environment.get(VARIABLE, "")
    if not ledger.startswith(SCHEME):
        if option:
            return PubsubAddress(option)
        record = running_stack(data)
        addresses = record.addresses
        return PubsubAddress(addresses.pubsub_host, broker_url=addresses.broker_url, broker=record.broker)
    deployment = read_bigquery_address(ledger)
    if option is not None:
        raise UsageError(
            f"{VARIABLE} names a deployment in the project {deployment.project}, but --pubsub or "
            f"PUBSUB_EMULATOR_HOST a local Pub/Sub ({option}): unset one of them."
        )
    return PubsubAddress("", deployment.project, deployment.topics)
