"""What all brokers have in common whose messages a relay delivers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from console.stack.broker_services import redelivery_arguments
from console.stack.services import DeliveryPolicy
from tests.relay.broker_under_test import BrokerUnderTest, Deliverer
from tests.relay.relay_process import RelayProcess, running_relay
from tests.servers.waiting import wait_until


class RelayedBroker(BrokerUnderTest, Protocol):
    """A running broker whose messages a relay delivers.

    Attributes:
        url: BROKER_URL.
        options: further options of the relay.
    """

    url: str
    options: Sequence[str] = ()
    best_effort: Mapping[str, str] = {}

    def create(self, *arguments: str) -> None:
        """Create empty queues with these arguments of the relay."""

    def interrupt(self) -> None:
        """End all connections to it, and refuse others; it may be killed for this."""

    def resume(self) -> None:
        """Accept connections again."""

    def prepare(self, policy: DeliveryPolicy) -> None:
        """See `BrokerUnderTest.prepare`."""
        self.create(*redelivery_arguments(policy), *self.options)

    def deliver(
        self, endpoint: str, log: Path, policy: DeliveryPolicy, window: int
    ) -> AbstractContextManager[RelayProcess]:
        """See `BrokerUnderTest.deliver`."""
        deadline = ("--ack-deadline", str(policy.ack_deadline_seconds))
        settings = (*redelivery_arguments(policy), *self.options, *deadline, "--window", str(window))
        return running_relay(self.url, endpoint, log, *settings)

    @contextmanager
    def lose_acknowledgements(self, deliverer: Deliverer) -> Iterator[None]:
        """See `BrokerUnderTest.lose_acknowledgements`."""
        self.interrupt()
        wait_until(lambda: "broker_lost" in deliverer.output())
        yield
        wait_until(lambda: "acknowledgement_lost" in deliverer.output())
        self.resume()
