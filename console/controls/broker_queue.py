"""Changes the operator's controls on another broker than Pub/Sub, whose publisher keeps the labels."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn, cast

from google.pubsub_v1 import types

from console.controls.operator_queue import CALL_SECONDS, OperatorQueue
from console.errors import BrokerError, NoPubsubError
from console.stack.pubsub_address import PubsubAddress
from contract.faults import ConfidentialFault
from contract.operator_act import OperatorAct
from contract.topology import JOBS_TOPIC, OPERATOR_TOPIC
from publishing.open_publisher import LabelPublisher, open_publisher
from publishing.publisher import Message

NO_PAUSE = (
    "On {broker} runs can be cancelled, but neither runs nor hosts paused: a relay counts each delivery that "
    "a worker holds. Stop the relays, or use `scrapeq down`, to pause all jobs: that costs no attempts."
)


@dataclass(frozen=True)
class BrokerQueue(OperatorQueue):
    """The queue on another broker.

    Attributes:
        publisher: publishes to the jobs topic, and keeps its labels.
    """

    publisher: LabelPublisher

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """See `OperatorQueue.failures`: each broker's publisher has its own."""
        return (Exception,)

    def push_subscription(self) -> types.Subscription:
        """See `OperatorQueue.push_subscription`."""
        self._refuse()

    def set_push_config(self, push_config: types.PushConfig) -> None:
        """See `OperatorQueue.set_push_config`."""
        del push_config
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NoPubsubError(NO_PAUSE.format(broker=self.address.title))

    def _publish(self, act: OperatorAct) -> None:
        message = Message(act.encode(), act.attributes())
        self.publisher.for_topic(OPERATOR_TOPIC).publish(message, CALL_SECONDS)

    def _labels(self) -> dict[str, str]:
        return dict(self.publisher.labels(CALL_SECONDS))

    def _set_labels(self, labels: Mapping[str, str], seconds: float) -> None:
        self.publisher.set_labels(labels, seconds)


@contextmanager
def open_broker_queue(address: PubsubAddress) -> Iterator[OperatorQueue]:
    """Yield the queue of a stack on another broker; see `console.controls.queue.open_queue`."""
    try:
        publisher = open_publisher(
            address.broker_url, address.project, JOBS_TOPIC, timeout_seconds=CALL_SECONDS, batch_seconds=0
        )
    except (ConfidentialFault, ImportError) as error:
        raise BrokerError(str(error)) from error
    try:
        # The publisher of each broker but Pub/Sub is one.
        yield BrokerQueue(cast("LabelPublisher", publisher), address=address)
    finally:
        publisher.close()
