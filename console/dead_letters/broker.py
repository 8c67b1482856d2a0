"""Pulls dead letters from a broker other than Pub/Sub, and publishes to it.

A dead letter is acknowledged only after what is done for it is confirmed, as on Pub/Sub. What is not
acknowledged returns to its queue: when it is released, or when the connection ends, for example because the
command was killed.
"""

import asyncio
import os
import queue
import threading
import time
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from google.pubsub_v1 import types

from console.errors import BrokerError
from console.stack.brokers.choice import client_environment
from console.stack.pubsub_address import PubsubAddress
from contract.faults import ConfidentialFault
from contract.topology import DEAD_LETTER_SUBSCRIPTION, JOBS_TOPIC
from publishing.open_publisher import TopicPublisher, open_publisher
from publishing.publisher import Message as BrokerMessage
from publishing.publisher import PublishUnconfirmed
from relay.broker import Broker, CannotRelay, Received
from relay.open_broker import broker_kind
from relay.subscriptions import pulled

#: Maximum number of dead letters that a command holds; RabbitMQ's prefetch count has 16 bits.
MAX_HELD: Final = 65_000
PULL_SECONDS: Final = 3.0  #: a broker has delivered by then, unless there is no dead letter
CALL_SECONDS: Final = 30.0  #: time limit of a call

_Result = TypeVar("_Result")


class BrokerConnection:
    """Publishes to the topics of a broker.

    Args:
        address: names the broker.
    """

    def __init__(self, address: PubsubAddress) -> None:
        self.address = address
        try:
            self._publisher: TopicPublisher = open_publisher(
                address.broker_url, address.project, JOBS_TOPIC, timeout_seconds=CALL_SECONDS, batch_seconds=0
            )
        except (ConfidentialFault, ImportError) as error:
            raise BrokerError(str(error)) from error
        self._topics = {JOBS_TOPIC: self._publisher}

    def publish(self, topic: str, messages: Iterable[tuple[bytes, dict[str, str], str]]) -> None:
        """Publish messages, and wait for the confirmations.

        Args:
            topic: the topic's short name.
            messages: data, attributes and ordering key of each message.

        Raises:
            BrokerError: a publish was not confirmed.
        """
        publisher = self._topics.get(topic) or self._publisher.for_topic(topic)
        self._topics[topic] = publisher
        for result in list(publisher.publish_all(BrokerMessage(*each) for each in messages)):
            if isinstance(result, PublishUnconfirmed):
                raise BrokerError(result.detail) from result

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close()


class BrokerDeadLetters:
    """The dead letters of a broker; see `console.dead_letters.queue.DeadLetterQueue`.

    The connection belongs to a thread of its own, which runs an event loop.

    Args:
        address: names the broker.
    """

    def __init__(self, address: PubsubAddress) -> None:
        self.address = address
        self._arrived = queue.Queue[Received]()
        self._held: dict[str, list[Received]] = {}  # a message may be there twice, with one id
        self._broker: Broker | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="dead-letters", daemon=True)
        self._thread.start()

    def pull(self, count: int) -> list[types.PubsubMessage]:
        """Return up to `count` dead letters, and hold them; none if no dead letter is available.

        Raises:
            BrokerError: the broker cannot be reached, or has no such queue.
        """
        if self._broker is None:
            self._broker = self._call(self._connect())
        received = list[Received]()
        until = time.monotonic() + PULL_SECONDS
        while len(received) < count:
            try:
                # Only the first one is waited for: the broker sends as many as it has.
                seconds = 0.0 if received else max(0.0, until - time.monotonic())
                received.append(self._arrived.get(timeout=seconds) if seconds else self._arrived.get_nowait())
            except queue.Empty:
                break
        for each in received:
            self._held.setdefault(each.message_id, []).append(each)
        return [_pubsub_message(each) for each in received]

    def acknowledge(self, message_ids: Sequence[str]) -> None:
        """Remove held dead letters from the queue; if the connection is lost, they are delivered again."""
        self._call(self._acknowledge([each for name in message_ids for each in self._held.pop(name, [])]))

    def renew(self) -> None:
        """Do nothing: a broker keeps what it has delivered for this connection as long as it lasts."""

    def release(self) -> None:
        """Return all held dead letters to the queue, and close the connection."""
        try:
            if self._broker is not None:
                self._call(self._release(self._broker))
        except BrokerError:
            pass  # the end of the connection returns them
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _connect(self) -> Broker:
        [subscription] = [each for each in pulled() if each.name == DEAD_LETTER_SUBSCRIPTION]
        url = self.address.broker_url
        broker = broker_kind(url).open(url, subscription, MAX_HELD)
        await broker.start(self._arrived.put)
        return broker

    async def _acknowledge(self, received: Sequence[Received]) -> None:
        if self._broker is None:
            return
        for each in received:
            if self._broker.holds(each):
                self._broker.acknowledge(each)

    async def _release(self, broker: Broker) -> None:
        await broker.stop_taking()
        while not self._arrived.empty():
            received = self._arrived.get_nowait()
            self._held.setdefault(received.message_id, []).append(received)
        held = [each for several in self._held.values() for each in several if broker.holds(each)]
        await asyncio.gather(*map(broker.release, held))
        await broker.close()

    def _call(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(CALL_SECONDS)
        except FutureTimeoutError:
            future.cancel()
            raise BrokerError(f"no answer within {CALL_SECONDS:g} s") from None
        except (CannotRelay, OSError) as error:
            raise BrokerError(str(error)) from error


@contextmanager
def open_broker(address: PubsubAddress) -> Iterator[BrokerConnection]:
    """Yield a connection to the broker of a stack.

    Raises:
        BrokerError: the package of its client is not installed.
    """
    for name, value in client_environment(address.broker).items():
        os.environ.setdefault(name, value)
    connection = BrokerConnection(address)
    try:
        yield connection
    finally:
        connection.close()


def _pubsub_message(received: Received) -> types.PubsubMessage:
    data, attributes, ordering_key = received.message
    return types.PubsubMessage(
        data=data, attributes=attributes, ordering_key=ordering_key, message_id=received.message_id
    )
