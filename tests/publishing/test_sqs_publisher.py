"""The publisher of SQS counts a message as sent only once all queues of its topic have it."""

import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from console.stack.ports import free_port
from localpubsub.backlog.retry_policy import RetryPolicy
from publishing.chunked_publisher import MAX_CHUNK_MESSAGES
from publishing.publisher import Message, PublishUnconfirmed
from publishing.sqs import wire
from publishing.sqs.publisher import SqsPublisher
from publishing.sqs.queues import Queues
from publishing.sqs.sender import MAX_REQUESTS, subscriptions_of
from relay.sqs.topology import create
from relay.subscriptions import Redelivery, all_subscriptions
from tests.publishing.unconfirmed import unconfirmed
from tests.repository.tree import ROOT
from tests.servers.moto_sqs import CREDENTIALS, MotoSqs
from tests.servers.scripted_sqs import Call, ScriptedSqs, error, failed, running_scripted_sqs
from tests.servers.site import Site
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

MESSAGE = Message(b"{}", {"job_id": "1"}, "example.org#0")
PUSH, LEDGER = "scrape-jobs-push", "scrape-jobs-ledger"
SEND_JOBS = ("SendMessageBatch", PUSH)
REDELIVERY = Redelivery(RetryPolicy(10, 600), 10)
#: Publishes 200 messages from as many greenlets.
GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, sys
from publishing.publisher import Message
from publishing.sqs.publisher import SqsPublisher
publisher = SqsPublisher(sys.argv[1], "scrape-jobs", timeout_seconds=120)
tasks = [gevent.spawn(publisher.publish, Message(b"%d" % n, {})) for n in range(200)]
gevent.joinall(tasks, raise_error=True)
print(len({task.value for task in tasks}))
"""

Publishing = Callable[..., SqsPublisher]


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that boto3 finds."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def moto(moto_sqs_server: MotoSqs) -> MotoSqs:
    """A server with empty queues."""
    moto_sqs_server.reset()
    create(moto_sqs_server.url, all_subscriptions(REDELIVERY))
    return moto_sqs_server


@pytest.fixture
def scripted() -> Iterator[ScriptedSqs]:
    """A server that answers as the test says."""
    with running_scripted_sqs() as sqs:
        yield sqs


@pytest.fixture
def publishing() -> Iterator[Publishing]:
    """Return publishers, and close them at the end of the test."""
    made = list[SqsPublisher]()

    def make(url: str, topic: str = "scrape-jobs", timeout_seconds: float = MAX_WAIT_SECONDS) -> SqsPublisher:
        made.append(SqsPublisher(url, topic, timeout_seconds=timeout_seconds))
        return made[-1]

    yield make
    for publisher in made:
        publisher.close()


def stored(url: str, subscription: str) -> list[wire.StoredMessage]:
    """Return the messages of a queue, and remove them."""
    queues, found = Queues(url), list[wire.StoredMessage]()
    queue = queues.name(subscription)
    while received := queues.call("receive_message", queue, MaxNumberOfMessages=10).get("Messages"):
        for each in received:
            found.append(wire.read(each["Body"]))
            queues.call("delete_message", queue, ReceiptHandle=each["ReceiptHandle"])
    queues.close()
    return found


def test_a_confirmed_message_is_in_all_queues(moto: MotoSqs, publishing: Publishing) -> None:
    """A confirmed message has the returned id, its data, attributes and key in each queue of its topic."""
    message_id = publishing(moto.url).publish(MESSAGE)
    for queue in (PUSH, LEDGER):
        [found] = stored(moto.url, queue)
        assert (found.message, found.message_id, found.earlier_attempts) == (MESSAGE, message_id, 0)
        assert abs(found.published_at - time.time()) < MAX_WAIT_SECONDS


def test_every_subscription_has_a_topic_that_is_sent_to_it() -> None:
    """The publisher sends the messages of a topic to the subscriptions that the relay and the ledger read."""
    wanted = {(each.topic, each.name) for each in all_subscriptions(REDELIVERY)}
    topics = {topic for topic, _ in wanted}
    assert {(topic, name) for topic in topics for name in subscriptions_of(topic, {"shard": ""})} == wanted


def test_only_shards_are_sent_to_the_dispatcher(moto: MotoSqs, publishing: Publishing) -> None:
    """The queue of the shards gets only messages with the attribute `shard`; the ledger's gets all."""
    shard, end = Message(b"1", {"shard": "1"}), Message(b"2", {})
    publisher = publishing(moto.url, "scrape-dispatch")
    assert all(isinstance(each, str) for each in publisher.publish_all([shard, end]))
    assert [each.message for each in stored(moto.url, "scrape-dispatch-push")] == [shard]
    assert {each.message.data for each in stored(moto.url, "scrape-dispatch-ledger")} == {b"1", b"2"}


def test_results_come_in_the_order_of_the_messages(moto: MotoSqs, publishing: Publishing) -> None:
    """The n-th result belongs to the n-th message, even if there are more than wait at the same time."""
    count = MAX_CHUNK_MESSAGES + 5
    publisher = publishing(moto.url, "scrape-outcomes")
    ids = list(publisher.publish_all(Message(b"%d" % n, {}) for n in range(count)))
    found = {each.message_id: each.message.data for each in stored(moto.url, "scrape-outcomes-ledger")}
    assert [found[str(message_id)] for message_id in ids] == [b"%d" % n for n in range(count)]


def test_greenlets_publish_at_the_same_time(moto: MotoSqs) -> None:
    """In a process of gevent, as the worker is, waiting for a confirmation stops no other greenlet."""
    command = [sys.executable, "-c", GREENLETS, moto.url]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["200"]
    assert len(stored(moto.url, PUSH)) == 200


def test_threads_share_requests(scripted: ScriptedSqs, publishing: Publishing) -> None:
    """Messages that are published while all requests are under way are sent together."""
    release = Event()

    def script(call: Call) -> None:
        if call.action == "SendMessageBatch":
            release.wait(MAX_WAIT_SECONDS)

    scripted.script = script
    publisher = publishing(scripted.url, "scrape-outcomes")
    with ThreadPoolExecutor(MAX_REQUESTS + 10) as threads:
        results = []
        for number in range(MAX_REQUESTS):
            results.append(threads.submit(publisher.publish, MESSAGE))
            wait_until(lambda number=number: len(scripted.sent("scrape-outcomes-ledger")) > number)  # type: ignore[misc]  # mypy expects no argument
        results += [threads.submit(publisher.publish, MESSAGE) for _ in range(10)]
        batches: Any = publisher._sender._batches["scrape-outcomes-ledger"]  # noqa: SLF001 - no other sign of it
        wait_until(lambda: len(batches._waiting) == 10)  # noqa: SLF001 - as above
        release.set()
        ids = {each.result(MAX_WAIT_SECONDS) for each in results}
    assert len(ids) == MAX_REQUESTS + 10
    assert len(scripted.sent("scrape-outcomes-ledger")) == MAX_REQUESTS + 1


def test_a_failed_entry_is_sent_again_with_the_same_id_to_its_queue_only(
    scripted: ScriptedSqs, publishing: Publishing
) -> None:
    """If one queue does not confirm one message of a batch, only that one is sent again, only there."""
    failures = [1]

    def script(call: Call) -> tuple[int, dict[str, Any]] | None:
        is_first = call.action == "SendMessageBatch" and call.queue == PUSH and len(call.bodies) > 1
        return failed(call, failures.pop()) if is_first and failures else None

    scripted.script = script
    ids = list(publishing(scripted.url).publish_all([MESSAGE] * 3))
    first, second = scripted.sent(PUSH)
    assert second.bodies == [first.bodies[1]]
    assert wire.read(second.bodies[0]).message_id == ids[1]
    assert len(scripted.sent(LEDGER)) == 1


def test_a_message_that_one_queue_refuses_is_unconfirmed(
    scripted: ScriptedSqs, publishing: Publishing
) -> None:
    """A message counts as sent only if all queues have it; the others of its batch are confirmed."""
    scripted.script = lambda call: (
        failed(call, 1, code="InvalidMessageContents", is_senders=True)
        if call.action == "SendMessageBatch" and call.queue == LEDGER
        else None
    )
    results = list(publishing(scripted.url).publish_all([MESSAGE] * 3))
    assert [isinstance(result, str) for result in results] == [True, False, True]
    assert f"queue '{LEDGER}': InvalidMessageContents no" in str(results[1])
    assert len(scripted.sent(LEDGER)) == 1


def test_an_entry_that_the_answer_does_not_mention_is_unconfirmed(
    scripted: ScriptedSqs, publishing: Publishing
) -> None:
    """Only what SQS lists as successful is confirmed."""
    scripted.script = lambda call: (200, {}) if call.action == "SendMessageBatch" else None
    publisher = publishing(scripted.url).for_topic("scrape-jobs", retries=False)
    with pytest.raises(PublishUnconfirmed, match="did not mention it"):
        publisher.publish(MESSAGE)


@pytest.mark.parametrize(
    "answer",
    [
        error("RequestThrottled", "slow down"),
        error("ThrottlingException", "Rate exceeded"),
        error("InternalError", "sorry", 500),
        error("ServiceUnavailable", "later", 503),
    ],
)
def test_a_throttled_request_is_sent_again(
    scripted: ScriptedSqs, publishing: Publishing, answer: tuple[int, dict[str, Any]]
) -> None:
    """A request that AWS throttles, or fails to process, is repeated until it is confirmed."""
    answers = [answer, answer]
    scripted.script = lambda call: (
        answers.pop() if answers and (call.action, call.queue) == SEND_JOBS else None
    )
    message_id = publishing(scripted.url).publish(MESSAGE)
    calls = scripted.sent(PUSH)
    assert len(calls) == 3
    assert {wire.read(call.bodies[0]).message_id for call in calls} == {message_id}


def test_a_publisher_without_retries_sends_once(scripted: ScriptedSqs, publishing: Publishing) -> None:
    """`for_topic(retries=False)` sends each message once, whatever the error."""
    scripted.script = lambda call: (
        error("RequestThrottled", "slow down") if call.action == "SendMessageBatch" else None
    )
    publisher = publishing(scripted.url).for_topic("scrape-outcomes", retries=False)
    with pytest.raises(PublishUnconfirmed, match="RequestThrottled slow down"):
        publisher.publish(MESSAGE)
    assert len(scripted.sent("scrape-outcomes-ledger")) == 1


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (error("QueueDoesNotExist", "no"), "has no queue '.*'; create it with: python -m relay --create"),
        (error("AWS.SimpleQueueService.NonExistentQueue", "no"), "python -m relay --create"),
        (error("AccessDeniedException", "no"), "no permission sqs:SendMessage for queue 'scrape-jobs-"),
        (error("InvalidClientTokenId", "no", 403), "refuses the credentials: InvalidClientTokenId"),
        (error("SignatureDoesNotMatch", "no", 403), "refuses the credentials"),
    ],
)
def test_a_refused_request_is_explained_and_not_repeated(
    scripted: ScriptedSqs, publishing: Publishing, answer: tuple[int, dict[str, Any]], sentence: str
) -> None:
    """An error that a repetition cannot mend comes at once, with its remedy."""
    scripted.script = lambda call: answer if call.action == "SendMessageBatch" else None
    with pytest.raises(PublishUnconfirmed, match=sentence):
        publishing(scripted.url).publish(MESSAGE)
    assert len(scripted.sent(PUSH)) == 1


def test_messages_of_a_request_have_at_most_the_size_that_sqs_takes(
    scripted: ScriptedSqs, publishing: Publishing
) -> None:
    """Large messages are sent in several requests, each of at most 1 MiB; an even larger one is refused."""
    large, too_large = (Message(random.Random(1).randbytes(size), {}) for size in (375_000, 1_000_000))
    results = list(publishing(scripted.url, "scrape-outcomes").publish_all([large] * 5))
    assert all(isinstance(result, str) for result in results)
    for call in scripted.sent("scrape-outcomes-ledger"):
        assert sum(map(len, call.bodies)) <= wire.MAX_BODY_BYTES
    first, second = publishing(scripted.url, "scrape-outcomes").publish_all([too_large, MESSAGE])
    assert "the maximum is 1032192" in str(first)
    assert isinstance(second, str)


def test_messages_of_a_key_keep_their_order_in_a_fifo_queue(
    scripted: ScriptedSqs, publishing: Publishing
) -> None:
    """If a request fails, no later message of its keys is sent before its messages are sent again."""
    failures = [error("RequestThrottled", "slow down")]
    scripted.script = lambda call: (
        failures.pop()
        if failures and call.action == "SendMessageBatch" and call.queue == f"{PUSH}.fifo"
        else None
    )
    publisher = publishing(f"{scripted.url}?fifo=true")
    messages = [Message(b"%d" % number, {}, "example.org#0") for number in range(35)]
    ids = list(publisher.publish_all(messages))
    first, *others = scripted.sent(f"{PUSH}.fifo")
    entries = [entry for call in others for entry in call.document["Entries"]]
    assert len(first.bodies) == 10
    assert [wire.read(entry["MessageBody"]).message.data for entry in entries] == [
        b"%d" % n for n in range(35)
    ]
    assert [entry["MessageDeduplicationId"] for entry in entries] == ids
    assert {entry["MessageGroupId"] for entry in entries} == {"example.org#0"}
    assert scripted.sent(LEDGER), "the ledger's queues are standard queues"


def test_publish_to_a_missing_topic_is_unconfirmed(scripted: ScriptedSqs, publishing: Publishing) -> None:
    """A topic without subscriptions has no queue that could take a message."""
    with pytest.raises(PublishUnconfirmed, match="topic missing did not confirm: no queue of SQS"):
        publishing(scripted.url, "missing").publish(MESSAGE)


def test_publish_without_a_server_is_unconfirmed_in_time(publishing: Publishing) -> None:
    """If no server listens, the error says where, and comes soon after the timeout."""
    port = free_port()
    started = time.monotonic()
    publisher = publishing(f"sqs+http://127.0.0.1:{port}/", timeout_seconds=1)
    with pytest.raises(PublishUnconfirmed):
        publisher.publish(MESSAGE)
    assert time.monotonic() - started < 60
    unconfirmed(publisher, MESSAGE, f"SQS at http://127.0.0.1:{port} cannot be reached")


def test_publish_to_a_silent_server_is_unconfirmed_in_time(publishing: Publishing) -> None:
    """If the server accepts the connection but never responds, publishing ends soon after its timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"sqs+http://127.0.0.1:{listener.getsockname()[1]}/"
        started = time.monotonic()
        results = list(publishing(url, timeout_seconds=1).publish_all([MESSAGE] * (MAX_CHUNK_MESSAGES + 1)))
        assert time.monotonic() - started < 60
    reasons = {str(result).partition(": ")[2].partition(" for queue")[0] for result in results}
    assert all("not answered in time" in each or "timeout of 1 s is over" in each for each in reasons)


def test_missing_credentials_are_explained(
    scripted: ScriptedSqs, publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without credentials the error says how boto3 gets them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(PublishUnconfirmed, match=r"no credentials .*; set AWS_ACCESS_KEY_ID"):
        publishing(scripted.url).publish(MESSAGE)


def test_a_missing_profile_is_explained(
    scripted: ScriptedSqs, publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile that AWS's configuration does not have is an error of each publish, not of the start."""
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(PublishUnconfirmed, match=r"profile \(missing\) could not be found; set AWS_ACCESS"):
        publishing(scripted.url).publish(MESSAGE)


def test_another_server_is_explained(site: Site, publishing: Publishing) -> None:
    """If another HTTP server listens at the address, the error names the address."""
    address = site.url("/").rstrip("/")
    unconfirmed(publishing(f"sqs+{address}/"), MESSAGE, address)
