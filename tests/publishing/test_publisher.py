"""Publishing with google-cloud-pubsub: a message counts once it is confirmed, and nobody waits for ever."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

import localpubsub
from console.stack.ports import free_port
from publishing.publisher import (
    MAX_CHUNK_KEYS,
    MAX_CHUNK_MESSAGES,
    Message,
    PublishUnconfirmed,
    PubSubPublisher,
)

PROJECT = "p"
MESSAGE = Message(b"{}", {"job_id": "1"})


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Pub/Sub address where nobody listens."""
    port = free_port()
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Pub/Sub address that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{listener.getsockname()[1]}")
        yield


def publisher(timeout_seconds: float, topic: str = "scrape-outcomes") -> PubSubPublisher:
    """Return a publisher that sends at once."""
    return PubSubPublisher(PROJECT, topic, timeout_seconds=timeout_seconds, batch_seconds=0.01)


@pytest.mark.usefixtures("nowhere")
def test_without_a_pubsub_a_message_is_unconfirmed_in_time() -> None:
    """The library would try for 600 s; the push that waits has a deadline long before."""
    sending = publisher(0.5)
    started = time.monotonic()
    with pytest.raises(PublishUnconfirmed, match="topic scrape-outcomes did not confirm"):
        sending.publish(MESSAGE)
    assert time.monotonic() - started < 60
    sending.close()


@pytest.mark.usefixtures("silent")
def test_with_a_silent_pubsub_a_message_is_unconfirmed_in_time() -> None:
    """A connection is no confirmation."""
    sending = publisher(0.5)
    started = time.monotonic()
    with pytest.raises(PublishUnconfirmed):
        sending.publish(MESSAGE)
    assert time.monotonic() - started < 60
    sending.close()


@pytest.mark.usefixtures("nowhere")
def test_more_messages_than_fit_into_memory_are_all_told_unconfirmed_in_time() -> None:
    """What Pub/Sub does not take must not hold up what comes after it: each message has its answer."""
    sending = publisher(1)
    started = time.monotonic()
    answers = list(sending.publish_all(MESSAGE for _ in range(MAX_CHUNK_MESSAGES + 2)))
    assert len(answers) == MAX_CHUNK_MESSAGES + 2
    assert all(isinstance(answer, PublishUnconfirmed) for answer in answers)
    assert time.monotonic() - started < 60
    sending.close()


@pytest.mark.usefixtures("nowhere")
def test_after_an_outage_of_any_length_the_publisher_still_sends() -> None:
    """What was given up counts no longer against what may be under way."""
    sending = publisher(1)
    for _ in sending.publish_all(MESSAGE for _ in range(MAX_CHUNK_MESSAGES)):
        pass
    # When the next message comes, it is tried too, and given up in time
    started = time.monotonic()
    with pytest.raises(PublishUnconfirmed):
        sending.publish(MESSAGE)
    assert time.monotonic() - started < 60
    sending.close()


@pytest.fixture(scope="module")
def pubsub() -> Iterator[str]:
    """A running Pub/Sub, with the topic `scrape-outcomes` and a subscription `kept` to it."""
    topic = f"projects/{PROJECT}/topics/scrape-outcomes"
    kept = {"name": f"projects/{PROJECT}/subscriptions/kept", "topic": topic}
    with localpubsub.running(setup={"topics": [topic], "subscriptions": [kept]}, log_level="error") as server:
        yield server.host


@pytest.fixture
def _reachable(pubsub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)


@pytest.mark.usefixtures("_reachable")
def test_confirmations_come_in_the_order_of_the_messages() -> None:
    """The n-th answer is the n-th message's, whatever batches they travelled in."""
    sending = publisher(20)
    # Given more messages than one request takes, the third of them larger than Pub/Sub takes
    bodies = [b"x" * (11_000_000 if number == 2 else 1) for number in range(1200)]
    # When all are published
    answers = list(sending.publish_all(Message(body, {"n": str(n)}) for n, body in enumerate(bodies)))
    # Then the ids rise, and the refusal stands where its message stood
    assert isinstance(answers[2], PublishUnconfirmed)
    ids = [int(answer) for answer in answers if isinstance(answer, str)]
    assert len(ids) == 1199
    assert ids == sorted(ids)
    sending.close()


@pytest.mark.usefixtures("_reachable")
def test_a_confirmed_message_is_in_the_topic() -> None:
    """Its id is the one that subscribers see, its bytes and attributes are what was given."""
    sending = publisher(20)
    message_id = sending.publish(Message(b'{"a":1}', {"job_id": "7"}))
    with SubscriberClient() as subscriber:
        seen: dict[str, Any] = {}
        path = f"projects/{PROJECT}/subscriptions/kept"
        while message_id not in seen:
            pulled = subscriber.pull(subscription=path, max_messages=1000, timeout=10)
            seen |= {received.message.message_id: received.message for received in pulled.received_messages}
    assert seen[message_id].data == b'{"a":1}'
    assert dict(seen[message_id].attributes) == {"job_id": "7"}
    sending.close()


@pytest.mark.usefixtures("_reachable")
def test_a_topic_that_does_not_exist_is_said_so() -> None:
    """The operator reads which topic, and what Pub/Sub said of it."""
    sending = publisher(10, topic="scrape-nothing")
    with pytest.raises(PublishUnconfirmed, match=r"topic scrape-nothing did not confirm: NotFound"):
        sending.publish(MESSAGE)
    sending.close()


@pytest.mark.usefixtures("_reachable")
def test_time_that_the_messages_take_to_come_is_not_waiting_for_pubsub() -> None:
    """A sitemap that is read for longer than Pub/Sub may take costs no job its confirmation."""
    sending = publisher(1)

    def slow() -> Iterator[Message]:
        until = time.monotonic() + 1.2
        while time.monotonic() < until:
            pass  # whoever makes the messages is busy
        yield MESSAGE

    assert [type(answer) for answer in sending.publish_all(slow())] == [str]
    sending.close()


@pytest.mark.usefixtures("_reachable")
def test_a_key_that_failed_is_published_to_again() -> None:
    """The client pauses a key after a failure, for good; here the next message of it is sent as any other."""
    # Given a key of which a message was refused, with others behind it
    sending = publisher(20, topic="scrape-later")
    keyed = [Message(b"{}", {"n": str(n)}, "shop.example#0") for n in range(3)]
    assert all(isinstance(answer, PublishUnconfirmed) for answer in sending.publish_all(keyed))
    # When what was wrong is mended
    with PublisherClient() as topics:
        topics.create_topic(name=f"projects/{PROJECT}/topics/scrape-later", timeout=120)
    # Then the key is published to
    assert all(isinstance(answer, str) for answer in sending.publish_all(keyed))
    sending.close()


@pytest.mark.parametrize("key", ["", "shop.example#0"])
def test_a_failure_that_passes_costs_no_message(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """A Pub/Sub that hangs up once and is there a moment later confirms, with an ordering key as without."""
    port = free_port()
    listener = socket.create_server(("127.0.0.1", port))
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")
    sending = publisher(40)
    messages = [Message(b"x" * 3_000_000, {}, key) for _ in range(3)]  # each in a request of its own
    with ThreadPoolExecutor() as pool:
        # Given messages under way to a Pub/Sub that hangs up
        answers = pool.submit(lambda: list(sending.publish_all(messages)))
        with listener:
            listener.settimeout(20)
            listener.accept()[0].close()
        # When it comes back
        topic = f"projects/{PROJECT}/topics/scrape-outcomes"
        with localpubsub.running(port=port, setup={"topics": [topic]}, log_level="error"):
            # Then all are confirmed
            assert [type(answer) for answer in answers.result(timeout=120)] == [str] * 3
            sending.close()


@pytest.mark.usefixtures("_reachable")
def test_more_keys_than_are_sent_at_once_are_confirmed_in_order() -> None:
    """A request carries one key: the n-th answer is still the n-th message's, and no two share an id."""
    sending = publisher(60)
    count = MAX_CHUNK_KEYS + 100
    answers = list(sending.publish_all(Message(b"{}", {}, f"{n}.example#0") for n in range(count)))
    assert all(isinstance(answer, str) for answer in answers)
    assert len(set(answers)) == count
    sending.close()


@pytest.mark.usefixtures("_reachable")
def test_another_topic_is_published_to_over_the_same_connection() -> None:
    """Each publisher keeps to its own topic, and names it where there is no confirmation."""
    outcomes = publisher(10)
    letters = outcomes.for_topic("scrape-nothing")
    with pytest.raises(PublishUnconfirmed, match="topic scrape-nothing did not confirm: NotFound"):
        letters.publish(MESSAGE)
    assert int(outcomes.publish(MESSAGE)) > 0
    outcomes.close()
