"""Tests of the replay of dead letters, with localpubsub as the Pub/Sub."""

from collections.abc import Iterator

import pytest
from google.pubsub_v1 import types

import localpubsub
from console.errors import ReplayError
from console.replay import ReplayResult, replay
from console.stack.pubsub_setup import (
    prepare_topology,
    publisher_client,
    subscriber_client,
    subscription_path,
    topic_path,
)
from console.stack.services import DeliveryPolicy
from contract.topology import DEAD_LETTER_SUBSCRIPTION, DEAD_LETTER_TOPIC, JOBS_TOPIC

PUBSUB_ATTRIBUTES = {
    "CloudPubSubDeadLetterSourceDeliveryCount": "5",
    "CloudPubSubDeadLetterSourceSubscription": "scrape-jobs-push",
    "CloudPubSubDeadLetterSourceSubscriptionProject": "scrapeq-local",
    "CloudPubSubDeadLetterSourceTopicPublishTime": "2026-11-22T06:00:03.120+00:00",
}
WORKER_ATTRIBUTES = {"reason": "http_404", "detail": "the site answered 404", "attempt": "1"}
REPLAYED_JOBS = "replayed-jobs"  #: pull subscription of the jobs topic


@pytest.fixture
def host() -> Iterator[str]:
    """Yield the address of a Pub/Sub with Scrapeq's topics and a pull subscription of the jobs topic."""
    with localpubsub.running() as server:
        prepare_topology(server.host, "http://127.0.0.1:9/", DeliveryPolicy())
        with subscriber_client(server.host) as subscriber:
            subscriber.create_subscription(
                name=subscription_path(REPLAYED_JOBS), topic=topic_path(JOBS_TOPIC), timeout=20
            )
        yield server.host


def publish_dead_letters(host: str, run_id: str, count: int) -> None:
    """Publish dead letters of a run, with all attributes that Pub/Sub and the worker may add."""
    with publisher_client(host) as publisher:
        topic = topic_path(DEAD_LETTER_TOPIC)
        confirmations = [
            publisher.publish(
                topic,
                b"job %d" % n,
                "h#0",
                job_id=f"{n}",
                run_id=run_id,
                **PUBSUB_ATTRIBUTES,
                **WORKER_ATTRIBUTES,
            )
            for n in range(count)
        ]
        for confirmation in confirmations:
            confirmation.result(timeout=120)


def pull(host: str, subscription: str, count: int) -> list[types.PubsubMessage]:
    """Pull `count` messages from a subscription."""
    pulled: list[types.PubsubMessage] = []
    with subscriber_client(host) as subscriber:
        while len(pulled) < count:
            response = subscriber.pull(
                subscription=subscription_path(subscription), max_messages=1000, timeout=20, retry=None
            )
            pulled += [received.message for received in response.received_messages]
    return pulled


def test_replay_publishes_every_dead_letter_as_its_original_job(host: str) -> None:
    """A replay keeps the body, original attributes and ordering key, and removes the added attributes."""
    publish_dead_letters(host, "run-1", 250)
    shown: list[int] = []
    assert replay(host, lambda _: True, shown.append) == ReplayResult(250, 0)
    assert shown[-1] == 250
    jobs = pull(host, REPLAYED_JOBS, 250)
    assert {job.data for job in jobs} == {b"job %d" % n for n in range(250)}
    assert all(set(job.attributes) == {"job_id", "run_id"} for job in jobs)
    assert {job.ordering_key for job in jobs} == {"h#0"}
    assert replay(host, lambda _: True) == ReplayResult(0, 0)


def test_job_that_is_dead_lettered_again_during_a_replay_is_replayed_once(host: str) -> None:
    """If a replayed job becomes a dead letter again during the replay, the new dead letter is left."""
    publish_dead_letters(host, "run-1", 2)

    def dead_letter_again(replayed: int) -> None:
        if replayed == 2:
            publish_dead_letters(host, "run-1", 2)

    assert replay(host, lambda _: True, dead_letter_again) == ReplayResult(2, 2)


def test_replay_leaves_dead_letters_that_are_not_selected(host: str) -> None:
    """Dead letters that are not selected stay in the subscription, and can be pulled immediately."""
    publish_dead_letters(host, "run-1", 3)
    publish_dead_letters(host, "run-2", 4)
    assert replay(host, lambda attributes: attributes["run_id"] == "run-2") == ReplayResult(4, 3)
    remaining = pull(host, DEAD_LETTER_SUBSCRIPTION, 3)
    assert {message.attributes["run_id"] for message in remaining} == {"run-1"}


def test_dead_letter_that_cannot_be_published_is_not_acknowledged(host: str) -> None:
    """If the publish of the jobs fails, the dead letters stay in the subscription."""
    publish_dead_letters(host, "run-1", 3)
    with publisher_client(host) as publisher:
        publisher.delete_topic(topic=topic_path(JOBS_TOPIC), timeout=120)
    with pytest.raises(ReplayError, match="0 dead letters were replayed"):
        replay(host, lambda _: True)
    assert len(pull(host, DEAD_LETTER_SUBSCRIPTION, 3)) == 3


def test_replay_without_a_running_pubsub_raises_replay_error() -> None:
    """If Pub/Sub is not running, the error's message has the number of replayed dead letters."""
    with pytest.raises(ReplayError, match="0 dead letters"):
        replay("127.0.0.1:1", lambda _: True)
