"""The publisher counts a message as sent only once it is confirmed, and every wait has a time limit."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from google.api_core.exceptions import DeadlineExceeded
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

import localpubsub
from console.stack.ports import free_port
from publishing import chunked_publisher, message_groups, retries
from publishing.publisher import Message, PublishUnconfirmed
from publishing.pubsub import publish_method
from publishing.pubsub.publisher import MAX_CHUNK_MESSAGES, PubSubPublisher
from tests.servers.waiting import MAX_WAIT_SECONDS

PROJECT = "p"
MESSAGE = Message(b"{}", {"job_id": "1"})


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a Pub/Sub address where no server listens."""
    port = free_port()
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")


@pytest.fixture
def silent_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set a Pub/Sub address whose server accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{listener.getsockname()[1]}")
        yield


def make_publisher(timeout_seconds: float, topic: str = "scrape-outcomes") -> PubSubPublisher:
    """Return a publisher that sends without delay."""
    return PubSubPublisher(PROJECT, topic, timeout_seconds=timeout_seconds, batch_seconds=0.01)


@pytest.mark.usefixtures("no_server")
def test_publish_without_a_server_is_unconfirmed_in_time() -> None:
    """If no server listens, publishing ends soon after its timeout, and not after the client's 600 s."""
    publisher = make_publisher(0.5)
    started = time.monotonic()
    with pytest.raises(PublishUnconfirmed, match="topic scrape-outcomes did not confirm"):
        publisher.publish(MESSAGE)
    assert time.monotonic() - started < 60
    publisher.close()


@pytest.mark.usefixtures("silent_server")
def test_message_is_not_sent_after_its_timeout() -> None:
    """The client gives a message up with the caller, although the publisher's own timeout is an hour."""
    publisher = make_publisher(3600)
    with pytest.raises(PublishUnconfirmed) as unconfirmed:
        publisher.publish(MESSAGE, timeout_seconds=0.5)
    assert isinstance(unconfirmed.value.__cause__, DeadlineExceeded)
    publisher.close()


@pytest.mark.usefixtures("silent_server")
def test_publish_to_a_silent_server_is_unconfirmed_in_time() -> None:
    """If the server accepts the connection but never responds, publishing ends soon after its timeout."""
    publisher = make_publisher(0.5)
    started = time.monotonic()
    with pytest.raises(PublishUnconfirmed):
        publisher.publish(MESSAGE)
    assert time.monotonic() - started < 60
    publisher.close()


@pytest.mark.usefixtures("no_server")
def test_more_messages_than_a_chunk_are_all_unconfirmed_in_time() -> None:
    """Without a server, all messages are reported as unconfirmed in time, even more than fit into a chunk."""
    publisher = make_publisher(1)
    started = time.monotonic()
    results = list(publisher.publish_all(MESSAGE for _ in range(MAX_CHUNK_MESSAGES + 2)))
    assert len(results) == MAX_CHUNK_MESSAGES + 2
    assert all(isinstance(result, PublishUnconfirmed) for result in results)
    assert time.monotonic() - started < 60
    publisher.close()


@pytest.mark.usefixtures("no_server")
def test_publish_after_many_failures_is_unconfirmed_in_time() -> None:
    """After a whole chunk of failed messages the next one is tried in time: failed ones occupy no slots."""
    publisher = make_publisher(1)
    for _ in publisher.publish_all(MESSAGE for _ in range(MAX_CHUNK_MESSAGES)):
        pass
    # When another message is published, then its failure is reported in time
    started = time.monotonic()
    with pytest.raises(PublishUnconfirmed):
        publisher.publish(MESSAGE)
    assert time.monotonic() - started < 60
    publisher.close()


@pytest.fixture(scope="module")
def pubsub() -> Iterator[str]:
    """The host:port of a Pub/Sub with the topic `scrape-outcomes` and its subscription `kept`."""
    topic = f"projects/{PROJECT}/topics/scrape-outcomes"
    subscription = {"name": f"projects/{PROJECT}/subscriptions/kept", "topic": topic}
    with localpubsub.running(
        setup={"topics": [topic], "subscriptions": [subscription]}, log_level="error"
    ) as server:
        yield server.host


@pytest.fixture
def _reachable(pubsub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let publishers connect to `pubsub`."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)


@pytest.mark.usefixtures("_reachable")
def test_a_message_that_pubsub_refuses_fails_alone() -> None:
    """A message that is larger than Pub/Sub allows is unconfirmed, and those around it are confirmed."""
    publisher = make_publisher(MAX_WAIT_SECONDS)
    sizes = [1, 1, 10_000_000, 1, 1]  # the largest data, and a request that is too large by its frame
    results = list(publisher.publish_all(Message(bytes(size), {}) for size in sizes))
    assert [isinstance(result, str) for result in results] == [True, True, False, True, True]
    assert "InvalidArgument" in str(results[2])
    publisher.close()


@pytest.mark.usefixtures("_reachable")
def test_a_confirmed_message_is_in_the_topic() -> None:
    """A subscriber pulls a confirmed message with the id that `publish` returned, its data and attributes."""
    publisher = make_publisher(MAX_WAIT_SECONDS)
    message_id = publisher.publish(Message(b'{"a":1}', {"job_id": "7"}))
    with SubscriberClient() as subscriber:
        seen: dict[str, Any] = {}
        path = f"projects/{PROJECT}/subscriptions/kept"
        while message_id not in seen:
            pulled = subscriber.pull(subscription=path, max_messages=1000, timeout=MAX_WAIT_SECONDS)
            seen |= {received.message.message_id: received.message for received in pulled.received_messages}
    assert seen[message_id].data == b'{"a":1}'
    assert dict(seen[message_id].attributes) == {"job_id": "7"}
    publisher.close()


@pytest.mark.usefixtures("_reachable")
def test_publish_to_a_missing_topic_fails_and_names_the_topic() -> None:
    """The error of a publish to a missing topic names the topic and Pub/Sub's error NotFound."""
    publisher = make_publisher(MAX_WAIT_SECONDS, topic="scrape-nothing")
    with pytest.raises(PublishUnconfirmed, match=r"topic scrape-nothing did not confirm: NotFound"):
        publisher.publish(MESSAGE)
    publisher.close()


@pytest.mark.usefixtures("_reachable")
def test_time_spent_producing_messages_is_not_part_of_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message is confirmed even if producing it takes longer than the publish timeout."""
    publisher = make_publisher(MAX_WAIT_SECONDS)

    def slow_messages() -> Iterator[Message]:
        # Producing the message takes longer than the timeout.
        later = SimpleNamespace(monotonic=lambda: time.monotonic() + 1.2 * MAX_WAIT_SECONDS, sleep=time.sleep)
        for module in (chunked_publisher, message_groups, retries, publish_method):
            monkeypatch.setattr(module, "time", later)
        yield MESSAGE

    assert [type(result) for result in publisher.publish_all(slow_messages())] == [str]
    publisher.close()


@pytest.mark.usefixtures("_reachable")
def test_an_ordering_key_can_be_used_after_a_failure() -> None:
    """A failed message of an ordering key does not keep later messages of the key from being published."""
    # Given a key whose messages failed
    publisher = make_publisher(MAX_WAIT_SECONDS, topic="scrape-later")
    messages = [Message(b"{}", {"n": str(n)}, "shop.example#0") for n in range(3)]
    assert all(isinstance(result, PublishUnconfirmed) for result in publisher.publish_all(messages))
    # When their missing topic is created
    with PublisherClient() as topics:
        topics.create_topic(name=f"projects/{PROJECT}/topics/scrape-later", timeout=MAX_WAIT_SECONDS)
    # Then messages of the key are confirmed
    assert all(isinstance(result, str) for result in publisher.publish_all(messages))
    publisher.close()


@pytest.mark.parametrize("key", ["", "shop.example#0"])
def test_a_transient_failure_is_retried(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Messages are sent again if the server closes the connection and is available a moment later."""
    port = free_port()
    listener = socket.create_server(("127.0.0.1", port))
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")
    publisher = make_publisher(MAX_WAIT_SECONDS)
    messages = [
        Message(b"x" * 3_000_000, {}, key) for _ in range(3)
    ]  # two of them are more than a request may have
    with ThreadPoolExecutor() as pool:
        # Given messages that are sent to a server which closes the connection
        results = pool.submit(lambda: list(publisher.publish_all(messages)))
        with listener:
            listener.settimeout(MAX_WAIT_SECONDS)
            listener.accept()[0].close()
        # When the server is available again
        topic = f"projects/{PROJECT}/topics/scrape-outcomes"
        with localpubsub.running(port=port, setup={"topics": [topic]}, log_level="error"):
            # Then all messages are confirmed
            assert [type(result) for result in results.result(timeout=MAX_WAIT_SECONDS)] == [str] * 3
            publisher.close()


@pytest.mark.usefixtures("_reachable")
def test_many_ordering_keys_are_confirmed() -> None:
    """Messages with many different ordering keys are all confirmed, each with its own id."""
    publisher = make_publisher(MAX_WAIT_SECONDS)
    count = 600
    results = list(publisher.publish_all(Message(b"{}", {}, f"{n}.example#0") for n in range(count)))
    assert all(isinstance(result, str) for result in results)
    assert len(set(results)) == count
    publisher.close()


@pytest.mark.usefixtures("_reachable")
def test_for_topic_publishes_to_another_topic() -> None:
    """`for_topic` returns a publisher for the other topic, and the first publisher keeps its topic."""
    outcomes = make_publisher(MAX_WAIT_SECONDS)
    dead_letters = outcomes.for_topic("scrape-nothing")
    with pytest.raises(PublishUnconfirmed, match="topic scrape-nothing did not confirm: NotFound"):
        dead_letters.publish(MESSAGE)
    assert int(outcomes.publish(MESSAGE)) > 0
    outcomes.close()
