"""A relay that is stopped ends in time, and what it returns has cost no attempt."""

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from contract.topology import JOBS_TOPIC
from publishing.publisher import Message
from publishing.rabbitmq import wire
from tests.relay.brokers import RabbitMqUnderTest, RedisUnderTest
from tests.relay.relay_process import running_relay
from tests.relay.relayed_broker import RelayedBroker
from tests.relay.worker_endpoint import Push, WorkerEndpoint
from tests.servers.rabbitmq import RabbitMqServer
from tests.servers.redis import running_redis
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

SETTINGS = ("--min-backoff", "1", "--max-backoff", "1", "--grace", "1")


def publish(broker: RelayedBroker, count: int = 1) -> None:
    """Publish jobs."""
    messages = [Message(str(number).encode(), {}) for number in range(count)]
    assert all(isinstance(each, str) for each in broker.publisher(JOBS_TOPIC).publish_all(messages))


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port on which connections are neither accepted nor refused."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = opened.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("broker", ["RabbitMQ"], indirect=True)
def test_what_is_on_its_way_costs_no_attempt(
    rabbitmq_server: RabbitMqServer, broker: RabbitMqUnderTest, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """RabbitMQ counts no return for messages that it sends while a busy relay is stopped."""
    broker.create(*SETTINGS[:4])
    publish(broker, 3000)
    with running_relay(broker.url, endpoint.url, tmp_path / "log", *SETTINGS) as relay:
        wait_until(lambda: len(endpoint.answered) > 300)
        assert relay.terminate() == 0
    attempts = set[int]()
    with rabbitmq_server.channel() as channel:
        while (found := channel.basic_get("scrape-jobs-push", auto_ack=True))[0] is not None:
            attempts.add(wire.read(found[2], found[1]).attempts)
    assert attempts <= {0}  # none, if this machine was so busy that all were pushed before the stop


@pytest.mark.parametrize("broker", ["RabbitMQ"], indirect=True)
def test_a_push_that_still_connects_costs_no_attempt(
    broker: RelayedBroker, endpoint: WorkerEndpoint, tmp_path: Path, full_port: int
) -> None:
    """A message whose worker has not accepted the connection is released."""
    broker.create(*SETTINGS[:4])
    publish(broker)
    log = tmp_path / "log"
    with running_relay(broker.url, f"http://127.0.0.1:{full_port}/", log, *SETTINGS) as relay:
        wait_until(lambda: relay.counter("received") == 1)
        assert relay.terminate() == 0
    with running_relay(broker.url, endpoint.url, log, *SETTINGS):
        wait_until(lambda: len(endpoint.answered) == 1)
    assert endpoint.attempts("0") == [1]


@pytest.mark.parametrize("broker", ["RabbitMQ"], indirect=True)
def test_a_relay_stops_while_rabbitmq_takes_no_messages(
    rabbitmq_server: RabbitMqServer, broker: RelayedBroker, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """During an alarm RabbitMQ answers nothing to a relay that has published; the message is not lost."""
    broker.create(*SETTINGS[:4])
    has_alarm = threading.Event()

    def fail_during_the_alarm(_: Push) -> int:
        has_alarm.wait(MAX_WAIT_SECONDS)
        return 503

    endpoint.answer = fail_during_the_alarm
    publish(broker)
    log = tmp_path / "log"
    with running_relay(broker.url, endpoint.url, log, *SETTINGS) as relay:
        wait_until(lambda: len(endpoint.pushes) == 1)
        with rabbitmq_server.memory_alarm():
            has_alarm.set()
            wait_until(lambda: "push_nacked" in relay.output())
            assert relay.terminate() == 0
    endpoint.answer = lambda _: 204
    with running_relay(broker.url, endpoint.url, log, *SETTINGS):
        wait_until(broker.is_empty)


def test_a_relay_stops_while_redis_does_not_answer(endpoint: WorkerEndpoint, tmp_path: Path) -> None:
    """A Redis that hangs, with its connections open, does not keep the relay from its end."""
    with running_redis(tmp_path) as server:
        broker = RedisUnderTest(server)
        broker.create()
        answered = threading.Event()
        endpoint.answer = lambda _: 204 if answered.wait(MAX_WAIT_SECONDS) else 503
        publish(broker, 30)
        with running_relay(broker.url, endpoint.url, tmp_path / "log", *SETTINGS) as relay:
            wait_until(lambda: len(endpoint.pushes) >= 5)
            server.process.send_signal(SIGSTOP)
            try:
                assert relay.terminate() == 0
            finally:
                server.process.send_signal(SIGCONT)
                answered.set()


@pytest.mark.parametrize("broker", ["RabbitMQ"], indirect=True)
def test_too_many_open_files_cost_no_attempt_and_no_connection(
    rabbitmq_server: RabbitMqServer, broker: RelayedBroker, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """Without free files a relay waits, with its messages and for its broker, until there are some."""
    broker.create(*SETTINGS[:4])
    with running_relay(broker.url, endpoint.url, tmp_path / "log", *SETTINGS) as relay:
        pid = relay.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        publish(broker)
        wait_until(lambda: "relay cannot push" in relay.output())
        rabbitmq_server.close_connections()
        wait_until(lambda: "cannot be reached: [Errno 24]" in relay.output())
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        wait_until(lambda: len(endpoint.answered) == 1)
        wait_until(broker.is_empty)
    # RabbitMQ has counted the return of the message with the lost connection, and nothing else.
    assert endpoint.attempts("0") == [2]
