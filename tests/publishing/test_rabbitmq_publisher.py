"""The publisher of RabbitMQ counts a message as sent only once RabbitMQ has confirmed it."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from console.stack.ports import free_port
from publishing.chunked_publisher import MAX_CHUNK_MESSAGES
from publishing.publisher import Message, PublishUnconfirmed
from publishing.rabbitmq import wire
from publishing.rabbitmq.publisher import RabbitMqPublisher
from tests.publishing.unconfirmed import unconfirmed
from tests.repository.tree import ROOT
from tests.servers.rabbitmq import RabbitMqServer
from tests.servers.waiting import MAX_WAIT_SECONDS

MESSAGE = Message(b"{}", {"job_id": "1"}, "example.org#0")
#: Publishes 200 messages from as many greenlets.
GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, sys
from publishing.publisher import Message
from publishing.rabbitmq.publisher import RabbitMqPublisher
publisher = RabbitMqPublisher(sys.argv[1], sys.argv[2], timeout_seconds=120)
tasks = [gevent.spawn(publisher.publish, Message(b"%d" % n, {})) for n in range(200)]
gevent.joinall(tasks, raise_error=True)
print(len({task.value for task in tasks}))
"""

#: Publishes a message after its connection has ended while it may open no file, and another one when it may.
NO_FILES = """
import resource, sys
from publishing.publisher import Message, PublishUnconfirmed
from publishing.rabbitmq.publisher import RabbitMqPublisher
publisher = RabbitMqPublisher(sys.argv[1], sys.argv[2], timeout_seconds=120)
publisher.publish(Message(b"1", {}))
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
print("ready", flush=True)
input()
try:
    publisher.publish(Message(b"2", {}), 3)
except PublishUnconfirmed:
    print("unconfirmed", flush=True)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(publisher.publish(Message(b"3", {})))
"""


@pytest.fixture
def topic(rabbitmq_server: RabbitMqServer) -> str:
    """The name of a topic that has one queue of the same name, and that only this test uses."""
    name = f"topic-{secrets.token_hex(4)}"
    with rabbitmq_server.channel() as channel:
        channel.exchange_declare(name, "fanout", durable=True)
        channel.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind(name, name)
    return name


@pytest.fixture
def publishing(rabbitmq_server: RabbitMqServer) -> Iterator[Callable[..., RabbitMqPublisher]]:
    """Return publishers, and close them at the end of the test."""
    made = list[RabbitMqPublisher]()

    def make(topic: str, timeout_seconds: float = MAX_WAIT_SECONDS, url: str = "") -> RabbitMqPublisher:
        made.append(RabbitMqPublisher(url or rabbitmq_server.url, topic, timeout_seconds=timeout_seconds))
        return made[-1]

    yield make
    for publisher in made:
        publisher.close()


def stored(server: RabbitMqServer, queue: str) -> list[wire.StoredMessage]:
    """Return the messages of a queue, and remove them."""
    found = list[wire.StoredMessage]()
    with server.channel() as channel:
        while True:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            if method is None:
                return found
            assert properties.delivery_mode == wire.PERSISTENT
            found.append(wire.read(body, properties))


def test_a_confirmed_message_is_in_the_queue(
    rabbitmq_server: RabbitMqServer, topic: str, publishing: Callable[..., RabbitMqPublisher]
) -> None:
    """A confirmed message is persistent, and has the returned id, its data, attributes and ordering key."""
    message_id = publishing(topic).publish(MESSAGE)
    [found] = stored(rabbitmq_server, topic)
    assert (found.message, found.message_id, found.attempts) == (MESSAGE, message_id, 0)
    assert abs(found.published_at - time.time()) < MAX_WAIT_SECONDS


def test_results_come_in_the_order_of_the_messages(
    rabbitmq_server: RabbitMqServer, topic: str, publishing: Callable[..., RabbitMqPublisher]
) -> None:
    """The n-th result belongs to the n-th message, even if there are more than wait at the same time."""
    count = 2 * MAX_CHUNK_MESSAGES + 1
    ids = list(publishing(topic).publish_all(Message(b"%d" % n, {}) for n in range(count)))
    found = {each.message_id: each.message.data for each in stored(rabbitmq_server, topic)}
    assert [found[str(message_id)] for message_id in ids] == [b"%d" % n for n in range(count)]


def test_many_threads_publish_over_one_connection(
    rabbitmq_server: RabbitMqServer, topic: str, publishing: Callable[..., RabbitMqPublisher]
) -> None:
    """Messages that several threads publish at the same time are all confirmed, each with its own id."""
    publisher = publishing(topic)
    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(publisher.publish, [MESSAGE] * 400))
    assert {each.message_id for each in stored(rabbitmq_server, topic)} == ids
    assert len(ids) == 400


@pytest.mark.parametrize("is_tls", [False, True], ids=["TCP", "TLS"])
def test_greenlets_publish_over_one_connection(
    rabbitmq_server: RabbitMqServer, topic: str, is_tls: bool
) -> None:
    """In a process of gevent, as the worker is, waiting for a confirm stops no other greenlet."""
    url = rabbitmq_server.tls_url if is_tls else rabbitmq_server.url
    command = [sys.executable, "-c", GREENLETS, url, topic]
    variables = {**os.environ, "SSL_CERT_FILE": str(rabbitmq_server.ca_file)}
    done = subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["200"]
    assert len(stored(rabbitmq_server, topic)) == 200


def test_too_many_open_files_do_not_end_the_publisher(rabbitmq_server: RabbitMqServer, topic: str) -> None:
    """A connection for which there is no free file is opened later."""
    command = [sys.executable, "-c", NO_FILES, rabbitmq_server.url, topic]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        rabbitmq_server.close_connections()
        output, _ = process.communicate("\n")
    answer, message_id = output.split()
    assert answer == "unconfirmed"
    assert message_id in {each.message_id for each in stored(rabbitmq_server, topic)}


def test_for_topic_publishes_to_another_topic(
    rabbitmq_server: RabbitMqServer, topic: str, publishing: Callable[..., RabbitMqPublisher]
) -> None:
    """`for_topic` returns a publisher for the other topic, and the first one keeps its topic."""
    first = publishing("missing", 1)
    first.for_topic(topic, retries=False).publish(MESSAGE, MAX_WAIT_SECONDS)
    assert len(stored(rabbitmq_server, topic)) == 1
    with pytest.raises(PublishUnconfirmed, match="topic missing"):
        first.publish(MESSAGE)


def test_publish_to_a_missing_topic_fails_and_names_the_remedy(
    publishing: Callable[..., RabbitMqPublisher],
) -> None:
    """The error of a publish to a missing exchange names it, and the command that creates it."""
    unconfirmed(publishing("missing"), MESSAGE, r"no exchange 'missing'.*python -m relay --create")


def test_a_message_that_no_queue_takes_is_unconfirmed(
    rabbitmq_server: RabbitMqServer, publishing: Callable[..., RabbitMqPublisher]
) -> None:
    """RabbitMQ confirms and drops a message for which no queue is bound; here it counts as not sent."""
    name = f"unbound-{secrets.token_hex(4)}"
    with rabbitmq_server.channel() as channel:
        channel.exchange_declare(name, "fanout", durable=True)
    with pytest.raises(PublishUnconfirmed, match=f"no queue .* exchange {name} .*python -m relay --create"):
        publishing(name).publish(MESSAGE)


def test_a_message_that_a_full_queue_rejects_is_unconfirmed(
    rabbitmq_server: RabbitMqServer, publishing: Callable[..., RabbitMqPublisher]
) -> None:
    """A message that RabbitMQ rejects (`basic.nack`) counts as not sent."""
    name = f"full-{secrets.token_hex(4)}"
    with rabbitmq_server.channel() as channel:
        channel.exchange_declare(name, "fanout", durable=True)
        channel.queue_declare(
            name, durable=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
        )
        channel.queue_bind(name, name)
    publisher = publishing(name).for_topic(name, retries=False)
    results = list(publisher.publish_all([MESSAGE] * 3))
    assert isinstance(results[0], str)
    assert "rejected the message" in str(results[-1])


def test_a_killed_server_loses_no_confirmed_message(
    rabbitmq_server: RabbitMqServer, topic: str, publishing: Callable[..., RabbitMqPublisher]
) -> None:
    """After SIGKILL and a start, confirmed messages are there, and one published meanwhile is confirmed."""
    publisher = publishing(topic)
    before = publisher.publish(MESSAGE)
    rabbitmq_server.kill()
    with ThreadPoolExecutor(1) as threads:
        meanwhile = threads.submit(publisher.publish, MESSAGE)
        rabbitmq_server.start()
        after = meanwhile.result(MAX_WAIT_SECONDS)
    assert {each.message_id for each in stored(rabbitmq_server, topic)} == {before, after}


def test_publish_without_a_server_is_unconfirmed_in_time(
    publishing: Callable[..., RabbitMqPublisher],
) -> None:
    """If no server listens, the error says where, and comes soon after the timeout."""
    port = free_port()
    publisher = publishing("scrape-jobs", 1, f"amqp://user:secret@127.0.0.1:{port}/")
    started = time.monotonic()
    with pytest.raises(PublishUnconfirmed):
        publisher.publish(MESSAGE)
    assert time.monotonic() - started < 60
    error = unconfirmed(publisher, MESSAGE, f"RabbitMQ at 127.0.0.1:{port} cannot be reached")
    assert "secret" not in error


def test_publish_to_a_silent_server_is_unconfirmed_in_time(
    publishing: Callable[..., RabbitMqPublisher],
) -> None:
    """If the server accepts the connection but never responds, publishing ends soon after its timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        publisher = publishing("scrape-jobs", 1, f"amqp://{address}/")
        started = time.monotonic()
        results = list(publisher.publish_all([MESSAGE] * (MAX_CHUNK_MESSAGES + 1)))
    assert time.monotonic() - started < 60
    assert all(isinstance(result, PublishUnconfirmed) for result in results)
    assert f"RabbitMQ at {address} did not answer in time" in str(results[0])


@pytest.mark.parametrize(
    ("user", "vhost", "sentence"),
    [
        ("guest:wrong", "", "refused the user or the password of BROKER_URL"),
        ("guest:guest", "nowhere", "no virtual host"),
    ],
)
def test_a_refused_connection_is_explained(
    rabbitmq_server: RabbitMqServer,
    publishing: Callable[..., RabbitMqPublisher],
    user: str,
    vhost: str,
    sentence: str,
) -> None:
    """If RabbitMQ refuses the user or the virtual host, the error says which part of BROKER_URL is wrong."""
    port = urlsplit(rabbitmq_server.url).port
    publisher = publishing("scrape-jobs", url=f"amqp://{user}@127.0.0.1:{port}/{vhost}")
    assert "wrong" not in unconfirmed(publisher, MESSAGE, sentence)


def test_a_server_of_another_protocol_is_explained(publishing: Callable[..., RabbitMqPublisher]) -> None:
    """If another server listens at the address, the error names the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        publisher = publishing("scrape-jobs", 3, f"amqp://127.0.0.1:{port}/")
        with ThreadPoolExecutor(1) as threads:
            published = threads.submit(publisher.publish, MESSAGE)
            connection, _ = listener.accept()
            with connection:
                connection.recv(8)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            with pytest.raises(PublishUnconfirmed, match=f"127.0.0.1:{port}"):
                published.result(MAX_WAIT_SECONDS)
