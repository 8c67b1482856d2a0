"""The publisher of Redis counts a message as sent only once Redis has confirmed it."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from console.stack.ports import free_port
from publishing.chunked_publisher import MAX_CHUNK_MESSAGES
from publishing.message_limits import MAX_DATA_BYTES
from publishing.publisher import Message, PublishUnconfirmed
from publishing.redis.publisher import RedisPublisher
from tests.publishing.unconfirmed import unconfirmed
from tests.repository.tree import ROOT
from tests.servers.redis import RedisServer, running_redis
from tests.servers.waiting import MAX_WAIT_SECONDS

MESSAGE = Message(b"{}", {"job_id": "1"}, "example.org#0")
#: Publishes 200 messages from as many greenlets.
GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, sys
from publishing.message_limits import MAX_DATA_BYTES
from publishing.publisher import Message
from publishing.redis.publisher import RedisPublisher
publisher = RedisPublisher(sys.argv[1], sys.argv[2], timeout_seconds=120)
tasks = [gevent.spawn(publisher.publish, Message(b"%d" % n, {})) for n in range(200)]
gevent.joinall(tasks, raise_error=True)
print(len({task.value for task in tasks}))
"""


@pytest.fixture
def topic(redis_server: RedisServer) -> str:
    """The name of a topic that has one group, and that only this test uses."""
    return redis_server.new_topic()


def test_a_confirmed_message_is_in_the_stream(
    redis_server: RedisServer, topic: str, publishing_to_redis: Callable[..., RedisPublisher]
) -> None:
    """A confirmed message has the returned id, its data, attributes and ordering key."""
    message_id = publishing_to_redis(topic).publish(MESSAGE)
    [found] = redis_server.messages(topic)
    assert (found.message, found.message_id) == (MESSAGE, message_id)
    assert abs(found.published_at - time.time()) < MAX_WAIT_SECONDS


def test_results_come_in_the_order_of_the_messages(
    redis_server: RedisServer, topic: str, publishing_to_redis: Callable[..., RedisPublisher]
) -> None:
    """The n-th result belongs to the n-th message, even if there are more than wait at the same time."""
    count = 2 * MAX_CHUNK_MESSAGES + 1
    ids = list(publishing_to_redis(topic).publish_all(Message(b"%d" % n, {}) for n in range(count)))
    found = [(each.message_id, each.message.data) for each in redis_server.messages(topic)]
    assert found == [(message_id, b"%d" % n) for n, message_id in enumerate(ids)]


def test_many_threads_publish_at_the_same_time(
    redis_server: RedisServer, topic: str, publishing_to_redis: Callable[..., RedisPublisher]
) -> None:
    """Messages that more threads publish than there are connections are all confirmed, with their own ids."""
    publisher = publishing_to_redis(topic)
    with ThreadPoolExecutor(40) as threads:
        ids = set(threads.map(publisher.publish, [MESSAGE] * 400))
    assert {each.message_id for each in redis_server.messages(topic)} == ids
    assert len(ids) == 400


def test_greenlets_publish_at_the_same_time(redis_server: RedisServer, topic: str) -> None:
    """In a process of gevent, as the worker is, waiting for a reply stops no other greenlet."""
    command = [sys.executable, "-c", GREENLETS, redis_server.url, topic]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["200"]
    assert len(redis_server.messages(topic)) == 200


def test_for_topic_publishes_to_another_topic(
    redis_server: RedisServer, topic: str, publishing_to_redis: Callable[..., RedisPublisher]
) -> None:
    """`for_topic` returns a publisher for the other topic, and the first one keeps its topic."""
    first = publishing_to_redis("missing", 1)
    first.for_topic(topic, retries=False).publish(MESSAGE, MAX_WAIT_SECONDS)
    assert len(redis_server.messages(topic)) == 1
    with pytest.raises(PublishUnconfirmed, match="topic missing"):
        first.publish(MESSAGE)


def test_publish_to_a_missing_topic_fails_and_names_the_remedy(
    redis_server: RedisServer, publishing_to_redis: Callable[..., RedisPublisher]
) -> None:
    """A publish to a missing stream creates none; the error names it, and the command that creates it."""
    with pytest.raises(PublishUnconfirmed, match=r"no stream 'missing'.*python -m relay --create"):
        publishing_to_redis("missing").publish(MESSAGE)
    assert redis_server.run("EXISTS", "missing") == 0


def test_publish_to_the_key_of_another_program_is_explained(
    redis_server: RedisServer, publishing_to_redis: Callable[..., RedisPublisher]
) -> None:
    """If the key of a topic is no stream, the error says so, and the key is kept."""
    redis_server.run("SET", "taken", "theirs")
    with pytest.raises(PublishUnconfirmed, match=r"WRONGTYPE .*another program uses the key"):
        publishing_to_redis("taken").publish(MESSAGE)
    assert redis_server.run("GETDEL", "taken") == b"theirs"


def test_one_message_that_is_too_large_does_not_stop_the_others(
    redis_server: RedisServer, topic: str, publishing_to_redis: Callable[..., RedisPublisher]
) -> None:
    """A message above the limit is refused with its size, and the others are confirmed."""
    large = Message(b"x" * (MAX_DATA_BYTES + 1), {})
    results = list(publishing_to_redis(topic).publish_all([MESSAGE, large, MESSAGE]))
    assert [isinstance(each, str) for each in results] == [True, False, True]
    assert "10000001 bytes of data; the maximum is 10000000" in str(results[1])
    assert len(redis_server.messages(topic)) == 2


def test_a_message_for_which_memory_is_missing_is_unconfirmed(
    tmp_path: Path, publishing_to_redis: Callable[..., RedisPublisher]
) -> None:
    """If Redis has no memory left, a message counts as not sent; it is sent when there is memory again."""
    with running_redis(tmp_path) as server:
        topic = server.new_topic()
        publisher = publishing_to_redis(topic, MAX_WAIT_SECONDS, server.url)
        publisher.publish(MESSAGE)
        server.run("CONFIG", "SET", "maxmemory", "1")
        unconfirmed(publisher, MESSAGE, "maxmemory")
        with ThreadPoolExecutor(1) as threads:
            later = threads.submit(publisher.publish, MESSAGE)
            server.run("CONFIG", "SET", "maxmemory", "0")
            later.result(MAX_WAIT_SECONDS)
        assert len(server.messages(topic)) == 2


def test_a_killed_server_loses_no_confirmed_message(
    tmp_path: Path, publishing_to_redis: Callable[..., RedisPublisher]
) -> None:
    """After SIGKILL and a start, confirmed messages are there, and one published meanwhile is confirmed."""
    with running_redis(tmp_path) as server:
        topic = server.new_topic()
        publisher = publishing_to_redis(topic, MAX_WAIT_SECONDS, server.url)
        before = publisher.publish(MESSAGE)
        server.kill()
        with ThreadPoolExecutor(1) as threads:
            meanwhile = threads.submit(publisher.for_topic(topic, retries=False).publish, MESSAGE)
            server.start()
            after = meanwhile.result(MAX_WAIT_SECONDS)
        assert [each.message_id for each in server.messages(topic)] == [before, after]


def test_a_connection_that_redis_has_ended_is_not_used(
    redis_server: RedisServer, topic: str, publishing_to_redis: Callable[..., RedisPublisher]
) -> None:
    """If Redis has ended an idle connection, the next message is confirmed, even if it is sent once."""
    publisher = publishing_to_redis(topic).for_topic(topic, retries=False)
    publisher.publish(MESSAGE)
    redis_server.run("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    publisher.publish(MESSAGE)
    assert len(redis_server.messages(topic)) == 2


def test_publish_without_a_server_is_unconfirmed_in_time(
    publishing_to_redis: Callable[..., RedisPublisher],
) -> None:
    """If no server listens, the error says where, and comes soon after the timeout."""
    port = free_port()
    publisher = publishing_to_redis("scrape-jobs", 1, f"redis://user:secret@127.0.0.1:{port}/")
    started = time.monotonic()
    with pytest.raises(PublishUnconfirmed, match=f"Redis at 127.0.0.1:{port} cannot be reached") as error:
        publisher.publish(MESSAGE)
    assert time.monotonic() - started < 60
    assert "secret" not in str(error.value)


def test_publish_to_a_silent_server_is_unconfirmed_in_time(
    publishing_to_redis: Callable[..., RedisPublisher],
) -> None:
    """If the server accepts the connection but never responds, publishing ends soon after its timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/"
        started = time.monotonic()
        results = list(
            publishing_to_redis("scrape-jobs", 1, url).publish_all([MESSAGE] * (MAX_CHUNK_MESSAGES + 1))
        )
    assert time.monotonic() - started < 60
    assert all(isinstance(result, PublishUnconfirmed) for result in results)


def test_a_reply_that_comes_too_late_confirms_no_other_message(
    tmp_path: Path, publishing_to_redis: Callable[..., RedisPublisher]
) -> None:
    """If Redis stands still, the message is unconfirmed, and the next one gets its own reply."""
    with running_redis(tmp_path) as server:
        topic = server.new_topic()
        publisher = publishing_to_redis(topic, MAX_WAIT_SECONDS, server.url).for_topic(topic, retries=False)
        publisher.publish(MESSAGE)
        server.run("CLIENT", "PAUSE", "60000", "WRITE")
        with pytest.raises(PublishUnconfirmed, match="Timeout"):
            publisher.publish(MESSAGE, 1)
        server.run("CLIENT", "UNPAUSE")
        last = publisher.publish(MESSAGE)
        assert server.messages(topic)[-1].message_id == last


def test_a_server_of_another_protocol_is_explained(
    publishing_to_redis: Callable[..., RedisPublisher],
) -> None:
    """If another server listens at the address, the error names the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        publisher = publishing_to_redis("scrape-jobs", 3, f"redis://127.0.0.1:{port}/")
        with ThreadPoolExecutor(1) as threads:
            published = threads.submit(publisher.publish, MESSAGE)
            connection, _ = listener.accept()
            with connection:
                connection.recv(8)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            with pytest.raises(PublishUnconfirmed, match=f"127.0.0.1:{port}"):
                published.result(MAX_WAIT_SECONDS)
