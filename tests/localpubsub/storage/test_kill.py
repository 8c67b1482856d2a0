"""Tests that SIGKILL every second, during publishes and pushes, loses no confirmed message.

The numbers of behaviours refer to the table in localpubsub/README.md.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import grpc
import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.api_core.retry import Retry
from google.cloud.pubsub_v1 import PublisherClient as BatchingPublisher
from google.cloud.pubsub_v1.types import BatchSettings
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import PushConfig

from console.stack.ports import free_port
from tests.servers.push_endpoint import running_endpoint

MESSAGES_PER_KILL: Final = 500  #: Number of messages published between two kills.
TOPIC: Final = "projects/p/topics/ttt"
SUBSCRIPTION: Final = "projects/p/subscriptions/sss"
#: By default a channel waits more than a second before it reconnects, but each server runs for only a second.
_CHANNEL: Final = [("grpc.initial_reconnect_backoff_ms", 20), ("grpc.max_reconnect_backoff_ms", 50)]


class RestartedServer:
    """A server that is killed and started again, always with the same port and data directory."""

    def __init__(self, data: Path) -> None:
        self.port = free_port()
        self._data = data
        self.start()

    @property
    def host(self) -> str:
        """Host and port, which stay the same after each start."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server, and return before it accepts requests."""
        command = [sys.executable, "-m", "localpubsub", "--data", str(self._data), "--log-level", "error"]
        command += ["--port", str(self.port), "--http-port", "0"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """Check that the server has not ended by itself, and kill it."""
        assert self._process.poll() is None, "the server ended by itself"
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(120)


@contextmanager
def killed_every_second(server: RestartedServer, times: int) -> Iterator[threading.Event]:
    """Kill and start the server in a thread; the event is set after the last kill."""
    finished = threading.Event()
    started_at = time.monotonic()

    def work() -> None:
        try:
            for number in range(1, times + 1):
                # The time of each kill is counted from the start, so that there is one kill per second.
                time.sleep(max(0.0, started_at + number - time.monotonic()))
                server.kill()
                server.start()
        finally:
            finished.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield finished
    finally:
        thread.join()
        server.kill()


def publish_all(channel: grpc.Channel, finished: threading.Event, messages: int) -> dict[str, int]:
    """Publish messages during the kills; return the numbers of the confirmed messages by message id."""
    client = BatchingPublisher(
        BatchSettings(max_messages=50, max_latency=0.01),
        transport=PublisherGrpcTransport(channel=channel),
    )
    retry = Retry(initial=0.05, maximum=0.1, timeout=120)
    numbers: dict[Future[str], int] = {}
    pause = 0.9 / MESSAGES_PER_KILL
    for number in range(messages):
        numbers[client.publish(TOPIC, b"%d" % number, retry=retry, timeout=120)] = number
        if number % 50 == 49:
            finished.wait(50 * pause)
    client.stop()
    confirmed: dict[str, int] = {}
    for future in as_completed(numbers, timeout=120):
        try:
            confirmed[future.result()] = numbers[future]
        except GoogleAPICallError:
            continue  # a publish that was not confirmed may be lost
    return confirmed


@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.long)])
def test_sigkill_loses_no_confirmed_message(tmp_path: Path, kills: int) -> None:
    """Behaviour 31: with 500 messages and a SIGKILL per second, every confirmed message reaches the endpoint.

    A publish is confirmed when the future of the official client returns a message id.
    """
    server = RestartedServer(tmp_path)
    with (
        running_endpoint() as endpoint,
        grpc.insecure_channel(server.host, options=_CHANNEL) as channel,
    ):
        grpc.channel_ready_future(channel).result(timeout=120)
        PublisherClient(transport=PublisherGrpcTransport(channel=channel)).create_topic(name=TOPIC)
        SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)).create_subscription(
            name=SUBSCRIPTION, topic=TOPIC, push_config=PushConfig(push_endpoint=endpoint.url)
        )
        with killed_every_second(server, kills) as finished:
            confirmed = publish_all(channel, finished, kills * MESSAGES_PER_KILL)
            finished.wait()
            pushed: set[str] = set()
            seen = 0

            def all_confirmed_were_pushed() -> bool:
                nonlocal seen
                pushed.update(push.message_id for push in endpoint.pushes[seen:])
                seen = len(endpoint.pushes)
                return confirmed.keys() <= pushed

            endpoint.wait_until(all_confirmed_were_pushed)
    assert len(confirmed) > kills * MESSAGES_PER_KILL * 0.9
