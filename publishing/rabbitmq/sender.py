"""Sends messages over one connection to RabbitMQ, from any thread, and tells when each is confirmed.

pika's connections belong to one thread (https://pika.readthedocs.io/en/stable/faq.html). So a thread of this
module has the connection, and other threads pass their messages to it. In the worker, whose threads are
greenlets of gevent, this is one more greenlet.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

import pika
from pika.adapters.select_connection import IOLoop

from contract.broker_url import BrokerAddress, broker_address
from publishing.rabbitmq.confirms import Confirms
from publishing.rabbitmq.connection import (
    connection_parameters,
    describe_failure,
    report_missing_sockets,
)

MIN_PAUSE_SECONDS = 0.1  #: pause before the second attempt to connect; it doubles with each further one
MAX_PAUSE_SECONDS = 5.0  #: longest pause between two attempts to connect

#: Something to do over the open connection, whose address is for error messages; does not wait.
Act = Callable[[pika.SelectConnection, BrokerAddress], None]


@dataclass(frozen=True, slots=True, eq=False)
class Outgoing:
    """A message to send.

    Attributes:
        exchange: the exchange.
        routing_key: the routing key.
        body: the message's data.
        properties: its properties.
        confirmed: the message's id, once RabbitMQ has confirmed it; or `NotConfirmed`. A message whose future
            was cancelled before it was sent is not sent.
    """

    exchange: str
    routing_key: str
    body: bytes
    properties: pika.BasicProperties
    confirmed: Future[str] = field(default_factory=Future)


class _Connection(pika.SelectConnection):  # type: ignore[misc] # pika is not typed
    def _adapter_connect_stream(self) -> None:
        super()._adapter_connect_stream()
        report_missing_sockets(self._connection_workflow)


class Sender:
    """The connection of a process for publishing, which is opened with the first message and after each loss.

    Args:
        url: BROKER_URL.

    Attributes:
        trouble: why there is no connection, or why RabbitMQ takes no messages; `""` if all is well.
    """

    def __init__(self, url: str) -> None:
        self.trouble = ""
        self._parameters = connection_parameters(url, "scrapeq publisher")
        self._address = broker_address(url)
        self._outbox = deque[Outgoing]()
        self._acts = deque[Act]()
        self._confirms = Confirms()
        self._pause = MIN_PAUSE_SECONDS
        self._is_closed = False
        self._start_lock = threading.Lock()
        self._loop = IOLoop()
        self._is_started = False
        self._connection: pika.SelectConnection | None = None
        self._channel: pika.channel.Channel | None = None

    def send(self, messages: Iterable[Outgoing]) -> None:
        """Send messages as soon as there is a connection; does not wait."""
        self._outbox.extend(messages)
        self._start()
        self._loop.add_callback_threadsafe(self._flush)

    def act(self, act: Act) -> None:
        """Call `act` in the thread of the connection as soon as there is one; does not wait."""
        self._acts.append(act)
        self._start()
        self._loop.add_callback_threadsafe(self._perform)

    def why_late(self) -> str:
        """Return why RabbitMQ has not answered in time, as far as is known."""
        return self.trouble or f"RabbitMQ at {self._address} did not answer in time"

    def close(self) -> None:
        """Send what is queued if there is a connection, and end it; does not wait for confirmations."""
        with self._start_lock:
            self._is_closed = True
            if self._is_started:
                self._loop.add_callback_threadsafe(self._end)
            else:
                self._loop.close()

    def _start(self) -> None:
        with self._start_lock:
            if not self._is_started:
                self._is_started = True
                threading.Thread(target=self._run, name="rabbitmq-sender", daemon=True).start()

    def _run(self) -> None:
        self._connect()
        self._loop.start()
        self._loop.close()

    def _connect(self) -> None:
        self._connection = _Connection(
            self._parameters,
            on_open_callback=self._on_connection,
            on_open_error_callback=self._on_connection_lost,
            on_close_callback=self._on_connection_lost,
            custom_ioloop=self._loop,
        )
        self._connection.add_on_connection_blocked_callback(self._on_blocked)
        self._connection.add_on_connection_unblocked_callback(self._on_unblocked)

    def _on_connection(self, connection: pika.SelectConnection) -> None:
        if self._is_closed:
            connection.close()
        else:
            connection.channel(on_open_callback=self._on_channel)
            self._perform()

    def _perform(self) -> None:
        while self._acts and self._connection is not None and self._connection.is_open:
            self._acts.popleft()(self._connection, self._address)

    def _on_channel(self, channel: pika.channel.Channel) -> None:
        self._confirms = Confirms()
        channel.add_on_close_callback(self._on_channel_lost)
        channel.add_on_return_callback(
            lambda _channel, method, found, _body: self._confirms.return_message(method, found)
        )
        channel.confirm_delivery(self._confirms.confirm, lambda _: self._on_confirming(channel))

    def _on_confirming(self, channel: pika.channel.Channel) -> None:
        self._channel = channel
        self.trouble = ""
        self._pause = MIN_PAUSE_SECONDS
        self._flush()

    def _flush(self) -> None:
        channel = self._channel
        while self._outbox and channel is not None and channel.is_open:
            outgoing = self._outbox.popleft()
            if not outgoing.confirmed.set_running_or_notify_cancel():
                continue  # the caller waits no longer
            self._confirms.add(outgoing.properties.message_id, outgoing.confirmed)
            channel.basic_publish(
                outgoing.exchange,
                outgoing.routing_key,
                outgoing.body,
                outgoing.properties,
                mandatory=True,
            )

    def _on_channel_lost(self, _channel: pika.channel.Channel, error: Exception) -> None:
        """Open another channel: RabbitMQ closes one for example because an exchange is missing."""
        self._channel = None
        why = describe_failure(self._address, error)
        self._confirms.fail(why)
        connection = self._connection
        if connection is not None and connection.is_open:
            self.trouble = why
            self._later(lambda: connection.is_open and connection.channel(on_open_callback=self._on_channel))

    def _on_connection_lost(self, _connection: pika.SelectConnection, error: Exception) -> None:
        self._channel = None
        self.trouble = describe_failure(self._address, error)
        self._confirms.fail(self.trouble)
        if self._is_closed:
            self._loop.stop()
        else:
            self._later(self._connect)

    def _later(self, act: Callable[[], object]) -> None:
        self._loop.call_later(self._pause, act)
        self._pause = min(2 * self._pause, MAX_PAUSE_SECONDS)

    def _on_blocked(self, _connection: pika.SelectConnection, frame: pika.frame.Method) -> None:
        """Note that RabbitMQ reads no messages: https://www.rabbitmq.com/docs/connection-blocked."""
        self.trouble = f"RabbitMQ at {self._address} takes no messages: {frame.method.reason}"

    def _on_unblocked(self, *_: object) -> None:
        self.trouble = ""

    def _end(self) -> None:
        self._flush()
        if self._connection is None or self._connection.is_closed:
            self._loop.stop()
        elif self._connection.is_open:
            self._connection.close()
        # Otherwise an attempt to connect is under way, which pika cannot abort without an AssertionError. It
        # takes at most CONNECT_SECONDS.
