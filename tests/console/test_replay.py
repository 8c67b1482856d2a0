"""Replay against a real Pub/Sub."""

from collections.abc import Iterator

import pytest
from google.pubsub_v1 import types

import localpubsub
from console.errors import NotReplayed
from console.replay import Replayed, replay
from console.stack.pubsub_setup import (
    prepare_topology,
    publisher_client,
    subscriber_client,
    subscription_path,
    topic_path,
)
from console.stack.services import DeliveryPolicy
from contract.topology import DEAD_LETTER_SUBSCRIPTION, DEAD_LETTER_TOPIC, JOBS_TOPIC, LEDGER_SUBSCRIPTIONS

DEATH = {
    "CloudPubSubDeadLetterSourceDeliveryCount": "5",
    "CloudPubSubDeadLetterSourceSubscription": "scrape-jobs-push",
    "CloudPubSubDeadLetterSourceSubscriptionProject": "scrapeq-local",
    "CloudPubSubDeadLetterSourceTopicPublishTime": "2026-11-22T06:00:03.120+00:00",
}


@pytest.fixture
def host() -> Iterator[str]:
    """Yield the address of a Pub/Sub with our topics, and nobody who takes the jobs."""
    with localpubsub.running() as server:
        # What is in the jobs topic can be taken from the ledger's subscription, as nobody writes its rows.
        prepare_topology(server.host, "http://127.0.0.1:9/", DeliveryPolicy(), writes_rows=False)
        yield server.host


SETTLED = {"reason": "http_404", "detail": "the site answered 404", "attempt": "1"}


def bury(host: str, run_id: str, count: int) -> None:
    """Put dead letters of a run into the dead-letter topic; all that may be said of a death is said."""
    with publisher_client(host) as publisher:
        topic = topic_path(DEAD_LETTER_TOPIC)
        buried = [
            publisher.publish(topic, b"job %d" % n, "h#0", job_id=f"{n}", run_id=run_id, **DEATH, **SETTLED)
            for n in range(count)
        ]
        for confirmation in buried:
            confirmation.result(timeout=120)


def take(host: str, subscription: str, count: int) -> list[types.PubsubMessage]:
    """Take `count` messages from a subscription."""
    taken: list[types.PubsubMessage] = []
    with subscriber_client(host) as subscriber:
        while len(taken) < count:
            answer = subscriber.pull(
                subscription=subscription_path(subscription), max_messages=1000, timeout=20, retry=None
            )
            taken += [received.message for received in answer.received_messages]
    return taken


def test_every_letter_becomes_a_job_again(host: str) -> None:
    """The job as it was, our attributes and its key kept, what was said of its death left out."""
    bury(host, "run-1", 250)
    shown: list[int] = []
    assert replay(host, lambda _: True, shown.append) == Replayed(250, 0)
    assert shown[-1] == 250
    jobs = take(host, LEDGER_SUBSCRIPTIONS[JOBS_TOPIC], 250)
    assert {job.data for job in jobs} == {b"job %d" % n for n in range(250)}
    assert all(set(job.attributes) == {"job_id", "run_id"} for job in jobs)
    assert {job.ordering_key for job in jobs} == {"h#0"}
    assert replay(host, lambda _: True) == Replayed(0, 0)


def test_a_job_that_dies_again_meanwhile_is_not_replayed_for_ever(host: str) -> None:
    """A worker that settles buries it at once; a replay takes each job once, and leaves the new letter."""
    bury(host, "run-1", 2)

    def dies_again(replayed: int) -> None:
        if replayed == 2:
            bury(host, "run-1", 2)

    assert replay(host, lambda _: True, dies_again) == Replayed(2, 2)


def test_only_what_is_wanted_is_replayed(host: str) -> None:
    """The other letters stay where they are, for whoever looks next."""
    bury(host, "run-1", 3)
    bury(host, "run-2", 4)
    assert replay(host, lambda attributes: attributes["run_id"] == "run-2") == Replayed(4, 3)
    left = take(host, DEAD_LETTER_SUBSCRIPTION, 3)
    assert {letter.attributes["run_id"] for letter in left} == {"run-1"}


def test_a_letter_that_cannot_be_published_stays(host: str) -> None:
    """Nothing is acknowledged that is not in the jobs topic."""
    bury(host, "run-1", 3)
    with publisher_client(host) as publisher:
        publisher.delete_topic(topic=topic_path(JOBS_TOPIC), timeout=120)
    with pytest.raises(NotReplayed, match="0 dead letters were replayed"):
        replay(host, lambda _: True)
    assert len(take(host, DEAD_LETTER_SUBSCRIPTION, 3)) == 3


def test_nobody_there_is_one_sentence() -> None:
    """A Pub/Sub that is not running is told as that."""
    with pytest.raises(NotReplayed, match="0 dead letters"):
        replay("127.0.0.1:1", lambda _: True)
