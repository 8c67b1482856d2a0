"""What the conformance tests need of a broker, and of what delivers its messages to the worker."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol

from console.stack.services import DeliveryPolicy
from publishing.open_publisher import TopicPublisher
from publishing.publisher import Message


class Deliverer(Protocol):
    """What pushes the jobs of a broker to the worker: a relay, or Pub/Sub itself."""

    def counter(self, name: Literal["acknowledged", "dead_lettered"]) -> int:
        """Return how many messages it has acknowledged or dead-lettered so far."""

    def output(self) -> str:
        """Return what it has logged so far."""

    def kill(self) -> None:
        """Kill it with SIGKILL."""

    def pause(self) -> None:
        """Let it begin no further push; those that are open go on."""

    def finish(self) -> None:
        """Wait until the pushes that were open at `pause` have ended."""


class BrokerUnderTest(Protocol):
    """A running broker.

    Attributes:
        name: its name in the table.
        cannot: for each promise that the broker cannot keep, the reason, with its documentation as source.
        best_effort: for each promise that the server of the test keeps, and whose keeping the documentation
            of the broker calls a matter of best effort, what it says, with the source.
    """

    name: str
    cannot: Mapping[str, str]
    best_effort: Mapping[str, str]

    def prepare(self, policy: DeliveryPolicy) -> None:
        """Make its topics and subscriptions, which are empty; nothing delivers the jobs yet."""

    def deliver(
        self, endpoint: str, log: Path, policy: DeliveryPolicy, window: int
    ) -> AbstractContextManager[Deliverer]:
        """Deliver the jobs to an endpoint until the block ends, also those that were published before.

        Args:
            endpoint: URL of the worker.
            log: the file to which the log is appended.
            policy: the delivery policy.
            window: most open pushes.
        """

    def lose_acknowledgements(self, deliverer: Deliverer) -> AbstractContextManager[None]:
        """Lose the acknowledgement of each push that is open now and that ends before the block does."""

    def publisher(self, topic: str) -> TopicPublisher:
        """Return a publisher."""

    def publish_foreign(self, data: bytes) -> None:
        """Send the jobs a message of another program."""

    def dead_letters(self) -> list[Message]:
        """Return the dead letters, and remove them."""

    def is_empty(self) -> bool:
        """Return whether no job waits for its delivery; jobs that a relay has received need not count."""

    def kill(self) -> None:
        """Kill it with SIGKILL."""

    def start(self) -> None:
        """Start it again with the same data."""
