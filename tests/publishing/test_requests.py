"""Tests how messages are combined into requests, with a server that records and refuses them."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.cloud.pubsub_v1 import PublisherClient

from publishing import message_groups
from publishing.publisher import Message, PublishUnconfirmed
from publishing.pubsub.publish_method import MAX_REQUEST_MESSAGES
from publishing.pubsub.publisher import PubSubPublisher
from tests.publishing.publish_server import PublishServer, ReceivedRequest, Refusal, running_publish_server
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

HOUR = 3600.0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PublishServer]:
    """A server to which publishers connect."""
    with running_publish_server() as running:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", running.host)
        yield running


def make_publisher(batch_seconds: float) -> PubSubPublisher:
    """Return a publisher whose calls may take as long as the tests wait."""
    return PubSubPublisher("p", "jobs", timeout_seconds=MAX_WAIT_SECONDS, batch_seconds=batch_seconds)


def test_a_lone_message_is_sent_at_once(server: PublishServer) -> None:
    """A message does not wait for others if no request was sent before it."""
    publisher = make_publisher(batch_seconds=HOUR)
    message_id = publisher.publish(Message(b"1", {}))
    assert server.confirmed == {message_id: b"1"}
    publisher.close()


def test_messages_that_are_published_together_share_requests(server: PublishServer) -> None:
    """The messages of many threads are sent in few requests, and each thread gets the id of its message."""
    publisher = make_publisher(batch_seconds=0.5)
    publisher.publish(Message(b"before", {}))
    count = 50
    with ThreadPoolExecutor(count) as pool:
        bodies = [str(number).encode() for number in range(count)]
        ids = list(pool.map(lambda body: publisher.publish(Message(body, {})), bodies))
    assert [server.confirmed[message_id] for message_id in ids] == bodies
    assert len(server.requests) < count / 4
    publisher.close()


def test_the_first_messages_are_sent_while_the_others_are_made(server: PublishServer) -> None:
    """Of a thousand messages, some are confirmed before the last one is made."""
    publisher = make_publisher(batch_seconds=0.01)
    confirmed_before_last = 0

    def messages() -> Iterator[Message]:
        nonlocal confirmed_before_last
        for number in range(1000):
            confirmed_before_last = len(server.confirmed)
            yield Message(str(number).encode(), {})

    ids = [result for result in publisher.publish_all(messages()) if isinstance(result, str)]
    assert [int(server.confirmed[message_id]) for message_id in ids] == list(range(1000))
    assert confirmed_before_last > 0
    publisher.close()


def test_a_request_that_hangs_delays_no_others(server: PublishServer) -> None:
    """A message is confirmed although an earlier request has had no response."""
    released = Event()

    def hang(request: ReceivedRequest, _cancelled: Event) -> None:
        if request.messages == [b"hangs"]:
            released.wait(MAX_WAIT_SECONDS)

    server.respond = hang
    publisher = make_publisher(batch_seconds=0.01)
    with ThreadPoolExecutor() as pool:
        hanging = pool.submit(publisher.publish, Message(b"hangs", {}))
        wait_until(lambda: len(server.requests) == 1)
        message_id = publisher.publish(Message(b"later", {}))
        assert not hanging.done()
        released.set()
        assert server.confirmed[hanging.result(MAX_WAIT_SECONDS)] == b"hangs"
    assert server.confirmed[message_id] == b"later"
    publisher.close()


@pytest.mark.parametrize(("first", "second"), [(MAX_WAIT_SECONDS, 0.0), (0.05, MAX_WAIT_SECONDS)])
def test_a_message_with_little_time_does_not_end_the_request_of_another(
    server: PublishServer, first: float, second: float
) -> None:
    """A message is confirmed although one that is published together with it has nearly no time left."""
    late = b"first" if first < second else b"second"

    def confirm_others(request: ReceivedRequest, cancelled: Event) -> None:
        if late in request.messages:
            cancelled.wait(MAX_WAIT_SECONDS)

    server.respond = confirm_others
    publisher = make_publisher(batch_seconds=0.3).for_topic("jobs", retries=False)
    publisher.publish(Message(b"before", {}))
    groups = publisher._groups  # noqa: SLF001 - what the sender collects
    with ThreadPoolExecutor() as pool:
        results = [pool.submit(publisher.publish, Message(b"first", {}), first)]
        wait_until(lambda: groups._collecting is not None or results[0].done())  # noqa: SLF001 - as above
        results.append(pool.submit(publisher.publish, Message(b"second", {}), second))
        failures = [result.exception(MAX_WAIT_SECONDS) for result in results]
    assert [type(failure) for failure in failures].count(PublishUnconfirmed) == 1
    confirmed = results[0 if first > second else 1].result()
    assert server.confirmed[confirmed] == (b"first" if first > second else b"second")
    publisher.close()


def test_a_request_has_one_ordering_key(server: PublishServer) -> None:
    """Messages with different ordering keys, or none, are in different requests; Pub/Sub refuses others."""
    publisher = make_publisher(batch_seconds=0.01)
    messages = [Message(str(number).encode(), {}, ["", "a", "b"][number % 3]) for number in range(30)]
    assert all(isinstance(result, str) for result in publisher.publish_all(messages))
    with ThreadPoolExecutor(30) as pool:
        assert all(isinstance(result, str) for result in pool.map(publisher.publish, messages))
    assert {len(request.ordering_keys) for request in server.requests} == {1}
    publisher.close()


def test_results_come_in_the_order_of_the_messages(server: PublishServer) -> None:
    """The n-th result is the id of the n-th message, although several requests are sent at the same time."""
    publisher = make_publisher(batch_seconds=0.01)
    messages = [
        Message(str(number).encode(), {}, "" if number % 3 else f"key-{number % 7}") for number in range(3500)
    ]
    results = list(publisher.publish_all(messages))
    confirmed = [server.confirmed[result] for result in results if isinstance(result, str)]
    assert confirmed == [message.data for message in messages]
    publisher.close()


def test_requests_have_at_most_1000_messages_and_4_mb(server: PublishServer) -> None:
    """Many messages are divided into requests within the limits, and a larger message is sent alone."""
    publisher = make_publisher(batch_seconds=0.01)
    sizes = [1] * (2 * MAX_REQUEST_MESSAGES + 1) + [1_500_000] * 3 + [5_000_000]
    results = list(publisher.publish_all(Message(bytes(size), {}) for size in sizes))
    assert all(isinstance(result, str) for result in results)
    assert max(len(request.messages) for request in server.requests) == MAX_REQUEST_MESSAGES
    several = [request for request in server.requests if len(request.messages) > 1]
    assert max(sum(map(len, request.messages)) for request in several) <= 4_000_000
    publisher.close()


def test_messages_are_taken_up_to_64_mb_at_a_time(server: PublishServer) -> None:
    """No more messages are held in memory than 64 MB, however many there are."""
    publisher = make_publisher(batch_seconds=0.01)
    taken = list[int]()

    def messages() -> Iterator[Message]:
        for number in range(30):
            taken.append(number)
            yield Message(bytes(5_000_000), {})

    results = publisher.publish_all(messages())
    assert isinstance(next(results), str)
    assert len(taken) == 64 // 5 + 1
    assert all(isinstance(result, str) for result in results)
    assert len(server.confirmed) == 30
    publisher.close()


def test_a_message_that_cannot_be_encoded_fails_alone(server: PublishServer) -> None:
    """A message whose attribute is no text is unconfirmed, and the others are confirmed."""
    publisher = make_publisher(batch_seconds=0.01)
    bad: Any = {"n": 1}
    results = list(publisher.publish_all([Message(b"1", {}), Message(b"2", bad), Message(b"3", {})]))
    assert [type(result) for result in results] == [str, PublishUnconfirmed, str]
    with pytest.raises(PublishUnconfirmed, match="no texts"):
        publisher.publish(Message(b"2", bad))
    assert set(server.confirmed.values()) == {b"1", b"3"}
    publisher.close()


def test_requests_name_the_client_and_the_topic_as_the_client_does(server: PublishServer) -> None:
    """A request has the same metadata as one of Google's client, by which Pub/Sub routes and counts it."""
    publisher = make_publisher(batch_seconds=0.01)
    publisher.publish(Message(b"1", {"n": "1"}))
    with PublisherClient() as client:
        client.publish("projects/p/topics/jobs", b"1", n="1").result(MAX_WAIT_SECONDS)
    ours, theirs = server.requests
    assert ours.metadata == theirs.metadata
    assert ours.metadata.keys() >= {"user-agent", "x-goog-api-client", "x-goog-request-params"}
    publisher.close()


def test_a_publisher_without_retries_sends_each_message_once(server: PublishServer) -> None:
    """Without retries a message is unconfirmed after one failure: the topic may contain it nevertheless."""

    def refuse(_request: ReceivedRequest, _cancelled: Event) -> None:
        raise Refusal(grpc.StatusCode.UNAVAILABLE)

    server.respond = refuse
    publisher = make_publisher(batch_seconds=0.01)
    with pytest.raises(PublishUnconfirmed, match="scrape-jobs did not confirm: ServiceUnavailable"):
        publisher.for_topic("scrape-jobs", retries=False).publish(Message(b"job", {}))
    assert [request.topic for request in server.requests] == ["projects/p/topics/scrape-jobs"]
    publisher.close()


def test_a_request_without_an_id_for_each_message_confirms_none(
    server: PublishServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If Pub/Sub returns fewer ids than messages, none of the messages is confirmed."""
    publisher = make_publisher(batch_seconds=0.01)
    monkeypatch.setattr(server, "_store", lambda *_args, **_options: ["1"])
    results = list(publisher.publish_all([Message(b"1", {}), Message(b"2", {})]))
    assert all("1 ids for 2 messages" in str(result) for result in results)
    assert all(isinstance(result, PublishUnconfirmed) for result in results)
    publisher.close()


def test_messages_are_sent_again_if_the_thread_that_sends_them_is_stopped(
    server: PublishServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the thread that sends a request is stopped, another thread whose message is in it sends it again."""
    publisher = make_publisher(batch_seconds=HOUR)
    publisher.publish(Message(b"before", {}))
    groups = publisher._groups  # noqa: SLF001 - what the sender collects
    with ThreadPoolExecutor() as pool:
        others = list[Future[str]]()

        def stop_once_another_has_joined(_seconds: float) -> None:
            monkeypatch.undo()
            group = groups._collecting  # noqa: SLF001 - as above
            assert group is not None
            groups._last_group_at = -HOUR  # noqa: SLF001 - the next sender need not wait, also after a boot
            others.append(pool.submit(publisher.publish, Message(b"2", {})))
            wait_until(lambda: len(group.messages) == 2)
            raise SystemExit

        # Other threads of this process sleep as before.
        clock = SimpleNamespace(monotonic=time.monotonic, sleep=stop_once_another_has_joined)
        monkeypatch.setattr(message_groups, "time", clock)
        with pytest.raises(SystemExit):
            publisher.publish(Message(b"1", {}))
        message_id = others[0].result(MAX_WAIT_SECONDS)
    assert server.confirmed[message_id] == b"2"
    assert b"1" not in server.confirmed.values()
    publisher.close()
