"""What the relay does with Redis beyond the promises that hold with every broker."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from publishing.publisher import Message
from tests.relay.brokers import RedisUnderTest
from tests.relay.relay_process import run, running_relay
from tests.relay.worker_endpoint import Push, WorkerEndpoint
from tests.servers.redis import DURABLE, RedisServer, named, running_redis
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

ENDPOINT = ("--endpoint", "http://127.0.0.1:1/")
SETTINGS = ("--min-backoff", "1", "--max-backoff", "1", "--max-attempts", "3")
STREAM, GROUP = "scrape-jobs", "scrape-jobs-push"
LEDGER = "scrape-jobs-ledger"
MAX_PAUSE_SECONDS = 900  #: Redis goes on after it, even if the test's process was killed


@pytest.fixture
def redis_broker(redis_server: RedisServer) -> RedisUnderTest:
    """Redis with empty streams."""
    broker = RedisUnderTest(redis_server)
    broker.create()
    return broker


def publish(broker: RedisUnderTest, *data: str, topic: str = STREAM, **attributes: str) -> None:
    """Publish a message with each data."""
    publisher = broker.publisher(topic)
    for each in data:
        publisher.publish(Message(each.encode(), dict(attributes)))
    publisher.close()


def released_when(event: Event) -> Callable[[Push], int]:
    """Return an answer that is a success, and comes after an event."""

    def answer(_: Push) -> int:
        event.wait(MAX_WAIT_SECONDS)
        return 204

    return answer


def test_a_message_is_deleted_when_all_groups_have_acknowledged_it(
    redis_server: RedisServer, redis_broker: RedisUnderTest, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """The stream keeps what the ledger has not read, and what another message waits for does not matter."""
    publish(redis_broker, "a", "b", "c")
    read = ("XREADGROUP", "GROUP", LEDGER, "test", "STREAMS", STREAM, ">")
    ids = [entry for entry, _ in redis_server.run(*read)[0][1]]
    redis_server.run("XACK", STREAM, LEDGER, ids[1])
    with running_relay(redis_broker.url, endpoint.url, tmp_path / "relay.log", *SETTINGS):
        wait_until(redis_broker.is_empty)
    assert [entry for entry, _ in redis_server.run("XRANGE", STREAM, "-", "+")] == [ids[0], ids[2]]


def test_a_lost_connection_costs_neither_an_attempt_nor_a_second_push(
    redis_server: RedisServer, redis_broker: RedisUnderTest, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """Messages that were pushed before the connection was lost are acknowledged over the next one."""
    answered = Event()
    endpoint.answer = released_when(answered)
    publish(redis_broker, "a", "b")
    with running_relay(redis_broker.url, endpoint.url, tmp_path / "relay.log", *SETTINGS) as relay:
        wait_until(lambda: len(endpoint.pushes) == 2)
        redis_server.run("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(lambda: "broker_lost" in relay.output())
        answered.set()
        wait_until(redis_broker.is_empty)
        publish(redis_broker, "c")
        wait_until(lambda: len(endpoint.answered) == 3)
    assert [push.attempt for push in endpoint.pushes] == [1, 1, 1]


def test_a_message_whose_delivery_was_lost_comes_without_costing_an_attempt(
    redis_server: RedisServer, redis_broker: RedisUnderTest, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """If a reply was lost with its connection, the relay gets its message over the next one."""
    answered = Event()
    endpoint.answer = released_when(answered)
    log = tmp_path / "relay.log"
    with running_relay(redis_broker.url, endpoint.url, log, *SETTINGS, "--window", "1") as relay:
        publish(redis_broker, "a", "b")  # as many as a relay with this window receives
        wait_until(lambda: relay.counter("received") == 2)
        publish(redis_broker, "lost")
        [consumer] = [each[b"name"] for each in consumers(redis_server) if each[b"pending"]]
        # The relay has no room, so that the message is given to it while it does not read.
        assert redis_server.run("XREADGROUP", "GROUP", GROUP, consumer, "STREAMS", STREAM, ">")
        redis_server.run("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        answered.set()
        wait_until(lambda: len(endpoint.answered) == 3)
    assert endpoint.attempts("lost") == [1]


def test_a_dead_letter_that_redis_refuses_is_kept(
    redis_server: RedisServer, redis_broker: RedisUnderTest, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """If the dead-letter stream is missing, the message stays, and is dead-lettered when there is one."""
    endpoint.answer = lambda _: 503
    with running_relay(
        redis_broker.url, endpoint.url, tmp_path / "relay.log", "--max-attempts", "1"
    ) as relay:
        redis_server.run("DEL", "scrape-jobs-dead")
        publish(redis_broker, "a")
        wait_until(lambda: "message_not_moved" in relay.output())
        assert "python -m relay --create" in relay.output()
        assert not redis_broker.is_empty()
        assert run(redis_broker.url, "--create").returncode == 0
        wait_until(redis_broker.is_empty)
    assert [letter.data for letter in redis_broker.dead_letters()] == [b"a"]
    assert endpoint.attempts("a") == [1]


def test_a_dead_letter_counts_once_redis_has_it(
    redis_server: RedisServer, redis_broker: RedisUnderTest, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """While Redis does not answer, the message is not yet a dead letter, and is not counted as one."""
    answered = Event()

    def fail(_: Push) -> int:
        answered.wait(MAX_WAIT_SECONDS)
        return 503

    endpoint.answer = fail
    publish(redis_broker, "a")
    log = tmp_path / "relay.log"
    with running_relay(redis_broker.url, endpoint.url, log, "--max-attempts", "1") as relay:
        wait_until(lambda: len(endpoint.pushes) == 1)
        redis_server.run("CLIENT", "PAUSE", 1000 * MAX_PAUSE_SECONDS, "WRITE")
        try:
            answered.set()
            wait_until(lambda: "push_nacked" in relay.output())
            assert relay.counter("dead_lettered") == 0
        finally:
            redis_server.run("CLIENT", "UNPAUSE")
        wait_until(lambda: relay.counter("dead_lettered") == 1)
        assert redis_broker.is_empty()


def test_a_subscription_with_a_filter_acknowledges_what_it_does_not_take(
    redis_server: RedisServer, redis_broker: RedisUnderTest, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """Of the topic of dispatches only shards are pushed; the rest waits for the ledger alone."""
    publish(redis_broker, "end", topic="scrape-dispatch")
    publish(redis_broker, "shard", topic="scrape-dispatch", shard="1")
    log = tmp_path / "relay.log"
    arguments = (*SETTINGS, "--subscription", "scrape-dispatch-push")
    with running_relay(redis_broker.url, endpoint.url, log, *arguments):
        wait_until(lambda: len(endpoint.answered) == 1)
        wait_until(lambda: redis_server.run("XPENDING", "scrape-dispatch", "scrape-dispatch-push")[0] == 0)
    assert [push.data for push in endpoint.pushes] == ["shard"]
    assert redis_server.run("XLEN", "scrape-dispatch") == 2


def test_a_stopped_relay_leaves_no_consumer(
    redis_server: RedisServer, redis_broker: RedisUnderTest, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """Consumers do not accumulate with each start of a relay."""
    publish(redis_broker, "a")
    for _ in range(2):
        with running_relay(redis_broker.url, endpoint.url, tmp_path / "relay.log", *SETTINGS) as relay:
            wait_until(redis_broker.is_empty)
            assert relay.terminate() == 0
    assert consumers(redis_server) == []


def consumers(server: RedisServer) -> list[dict[bytes, bytes]]:
    """Return the consumers of the jobs."""
    return [named(each) for each in server.run("XINFO", "CONSUMERS", STREAM, GROUP)]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("DEL", STREAM), "no such key; `python -m relay --create` creates the streams and groups"),
        (("XGROUP", "DESTROY", STREAM, GROUP), f"no group '{GROUP}' of the stream '{STREAM}'"),
        (("DEL", "scrape-jobs-dead"), "(topic scrape-jobs-dead)"),
        (("SET", STREAM, "theirs"), "another program uses the key of a topic"),
    ],
)
def test_a_missing_queue_is_explained(
    redis_server: RedisServer, redis_broker: RedisUnderTest, command: tuple[str, ...], sentence: str
) -> None:
    """The relay does not start without the stream or the group, and says what is missing."""
    redis_server.run(*command)
    done = run(redis_broker.url, *ENDPOINT)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [(*ENDPOINT, "--single-active"), (*ENDPOINT, "--partitions", "2"), ("--create", "--partitions", "2")],
    ids=" ".join,
)
def test_several_relays_that_keep_the_order_are_refused(
    redis_broker: RedisUnderTest, arguments: tuple[str, ...]
) -> None:
    """`--single-active` and `--partitions` are refused, since Redis cannot keep what they promise."""
    done = run(redis_broker.url, *arguments)
    assert done.returncode == 2
    assert "start one relay only" in done.stderr


@pytest.mark.parametrize("arguments", [("--create",), ENDPOINT])
def test_a_redis_that_may_lose_messages_is_refused_unless_the_url_accepts_it(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """If Redis may lose messages, neither --create nor the relay work, and a sentence says how to mend it."""
    with running_redis(tmp_path, *DURABLE, "--appendfsync", "everysec") as server:
        done = run(server.url, *arguments)
        assert done.returncode == 2
        assert "appendfsync is everysec; set appendonly yes, appendfsync always" in done.stderr
        accepted = f"{server.url}?accept_loss=true"
        assert run(accepted, "--create").returncode == 0
        with running_relay(accepted, ENDPOINT[1], tmp_path / "relay.log") as relay:
            assert "loss_accepted" in relay.output()
            assert "appendfsync is everysec" in relay.output()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis://user:secret@127.0.0.1:1/", "Redis at 127.0.0.1:1 cannot be reached"),
        ("redis://user:secret@127.0.0.1:1/jobs", "BROKER_URL must end with the number of a database"),
        ("redis://user:secret@127.0.0.1:1/?x=1", "BROKER_URL has an unknown parameter 'x'"),
    ],
)
def test_a_url_that_does_not_work_is_explained(url: str, sentence: str) -> None:
    """A wrong URL, or a Redis that does not run, ends the relay with a sentence without the password."""
    for arguments in (ENDPOINT, ("--create",)):
        done = run(url, *arguments)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert "secret" not in done.stderr + done.stdout
