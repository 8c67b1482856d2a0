"""Tests of the replay of dead letters, with localpubsub as the Pub/Sub."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.pubsub_v1 import types

import localpubsub
from console.errors import ReplayError
from console.ledger.ledger import Ledger
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
from tests.console.command import Scrapeq
from tests.console.ledger.rows import dead_letter_row, outcome_row, record

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


def test_infrastructure_replays_only_what_the_infrastructure_caused(
    host: str, ledger: Ledger, scrapeq: Scrapeq
) -> None:
    """`scrapeq replay --infrastructure` publishes only the jobs that did not fail because of their page."""
    # Given the dead letters 0 to 2 of a run and 0 of another run; the page of job 1 failed at each delivery
    publish_dead_letters(host, "run-1", 3)
    publish_dead_letters(host, "run-2", 1)
    failed = [outcome_row("1", number, attempt=number, reason="http_404") for number in range(1, 6)]
    dead_letters = [dead_letter_row(str(number), 9) for number in range(3)]
    record(ledger, [*failed, *dead_letters, dead_letter_row("other", 9, run="run-2")])
    # When the command that `scrapeq dead` shows is run
    shown = scrapeq("dead", "run-1", "--data", ledger.data).stdout
    command = re.search(r"to replay just these: scrapeq (.*)", shown)
    assert command
    done = scrapeq(*shlex.split(command[1]), "--pubsub", host)
    # Then the other two jobs of the run are published, and the rest stay dead letters
    assert done.stdout.splitlines()[-1] == "replayed 2, left 2"
    assert {job.data for job in pull(host, REPLAYED_JOBS, 2)} == {b"job 0", b"job 2"}


def test_infrastructure_without_a_ledger_replays_nothing(host: str, scrapeq: Scrapeq, tmp_path: Path) -> None:
    """Without a ledger the command fails, because the cause of the dead letters is unknown."""
    publish_dead_letters(host, "run-1", 1)
    done = scrapeq("replay", "--infrastructure", "--pubsub", host, "--data", tmp_path)
    assert done.exit_code == 1
    assert "There is no ledger in" in done.stderr
    assert len(pull(host, DEAD_LETTER_SUBSCRIPTION, 1)) == 1


def test_replay_without_a_running_pubsub_raises_replay_error() -> None:
    """If Pub/Sub is not running, the error's message has the number of replayed dead letters."""
    with pytest.raises(ReplayError, match="0 dead letters"):
        replay("127.0.0.1:1", lambda _: True)
