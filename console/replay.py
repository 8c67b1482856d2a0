"""Replay: dead letters published to the jobs topic again, none of them lost on the way.

Publish, wait for the id, then acknowledge: interrupted anywhere, a letter is at worst published twice, which
the ledger counts once. What Pub/Sub or the worker wrote about the death is left out; the rest stays.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from google.api_core.exceptions import DeadlineExceeded, GoogleAPIError
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1 import types

from console.errors import ReplayError
from console.stack.pubsub_setup import publisher_client, subscriber_client, subscription_path, topic_path
from contract.dead_letter import strip_dead_letter_attributes
from contract.topology import DEAD_LETTER_SUBSCRIPTION, JOBS_TOPIC

LETTERS_PER_PULL = 100
PULL_SECONDS = 3.0
EMPTY_PULLS = 2  #: an empty answer is not an empty queue (https://cloud.google.com/pubsub/docs/pull#dont_return_immediately)
LEASE_SECONDS = 600  #: the longest there is, for letters that are only looked at
CALL_SECONDS = 30.0

Letter = types.ReceivedMessage


class ReplayResult(NamedTuple):
    """What became of the dead letters: published again, and left where they were."""

    replayed: int
    left: int


def replay(
    pubsub_host: str, wanted: Callable[[dict[str, str]], bool], show: Callable[[int], None] = lambda _: None
) -> ReplayResult:
    """Replay the dead letters whose attributes are `wanted`; leave the others.

    Args:
        pubsub_host: of a local Pub/Sub.
        wanted: told a letter's attributes (`job_id`, `run_id`, `crawl`, `host`).
        show: told how many were replayed so far.

    Raises:
        ReplayError: with what Pub/Sub answered; what was not confirmed stays a dead letter.
    """
    replayed, leased, done = 0, set[str](), set[str]()
    with publisher_client(pubsub_host) as publisher, subscriber_client(pubsub_host) as subscriber:
        try:
            for letters in _pulls(subscriber):
                leased.update(letter.ack_id for letter in letters)
                chosen = [letter for letter in letters if wanted(dict(letter.message.attributes))]
                # A worker that settles buries what fails again at once: its new letter is left for next time.
                chosen = [letter for letter in chosen if _job_id(letter) not in done]
                done.update(map(_job_id, chosen))
                if chosen:
                    _publish(publisher, chosen)
                    _acknowledge(subscriber, chosen)
                    leased.difference_update(letter.ack_id for letter in chosen)
                    replayed += len(chosen)
                    show(replayed)
        except (GoogleAPIError, TimeoutError) as wrong:
            raise ReplayError(f"{replayed} dead letters were replayed, then Pub/Sub said: {wrong}") from wrong
        finally:
            _give_back(subscriber, list(leased))
    return ReplayResult(replayed, len(leased))


def _pulls(subscriber: SubscriberClient) -> Iterator[list[Letter]]:
    empty = 0
    while empty < EMPTY_PULLS:
        letters = _pull(subscriber)
        if letters:
            _lease(subscriber, [letter.ack_id for letter in letters], LEASE_SECONDS)
            yield letters
        empty = 0 if letters else empty + 1


def _pull(subscriber: SubscriberClient) -> list[Letter]:
    try:
        answer = subscriber.pull(
            subscription=subscription_path(DEAD_LETTER_SUBSCRIPTION),
            max_messages=LETTERS_PER_PULL,
            timeout=PULL_SECONDS,
            retry=None,
        )
    except DeadlineExceeded:
        return []
    return list(answer.received_messages)


def _publish(publisher: PublisherClient, letters: list[Letter]) -> None:
    topic = topic_path(JOBS_TOPIC)
    confirmations = [
        publisher.publish(
            topic,
            letter.message.data,
            ordering_key=letter.message.ordering_key,
            retry=None,  # else the client tries for ever: ordering is enabled
            timeout=CALL_SECONDS,
            **strip_dead_letter_attributes(letter.message.attributes),
        )
        for letter in letters
    ]
    for confirmation in confirmations:
        confirmation.result(timeout=CALL_SECONDS)


def _job_id(letter: Letter) -> str:
    return letter.message.attributes.get("job_id") or letter.message.message_id


def _acknowledge(subscriber: SubscriberClient, letters: list[Letter]) -> None:
    subscriber.acknowledge(
        subscription=subscription_path(DEAD_LETTER_SUBSCRIPTION),
        ack_ids=[letter.ack_id for letter in letters],
        timeout=CALL_SECONDS,
    )


def _give_back(subscriber: SubscriberClient, ack_ids: list[str]) -> None:
    try:
        _lease(subscriber, ack_ids, 0)
    except GoogleAPIError:
        return  # their lease ends by itself


def _lease(subscriber: SubscriberClient, ack_ids: list[str], seconds: int) -> None:
    for start in range(0, len(ack_ids), 1000):
        subscriber.modify_ack_deadline(
            subscription=subscription_path(DEAD_LETTER_SUBSCRIPTION),
            ack_ids=ack_ids[start : start + 1000],
            ack_deadline_seconds=seconds,
            timeout=CALL_SECONDS,
            retry=None,
        )
