"""Replays dead letters: publishes them to the jobs topic again, without losing any.

A dead letter is acknowledged only after Pub/Sub has confirmed that its job was published. After an
interruption a job may be published twice; the ledger counts it only once. The attributes that Pub/Sub and the
worker added to the dead letter are removed; body, other attributes and ordering key are kept.
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

MESSAGES_PER_PULL = 100
PULL_TIMEOUT_SECONDS = 3.0
#: Consecutive empty pulls after which the subscription counts as empty. One empty response is not enough,
#: because Pub/Sub may return one although messages remain:
#: https://cloud.google.com/pubsub/docs/pull#dont_return_immediately
MAX_EMPTY_PULLS = 2
LEASE_SECONDS = 600  #: ack deadline of the dead letters that a replay has pulled; the maximum of Pub/Sub
CALL_TIMEOUT_SECONDS = 30.0
MAX_ACK_IDS = 1000  #: maximum number of ack ids in one request

DeadLetter = types.ReceivedMessage


class ReplayResult(NamedTuple):
    """How many dead letters were replayed, and how many were pulled but not replayed (`left`)."""

    replayed: int
    left: int


def replay(
    pubsub_host: str,
    is_selected: Callable[[dict[str, str]], bool],
    show: Callable[[int], None] = lambda _: None,
) -> ReplayResult:
    """Replay the selected dead letters; leave the others.

    Args:
        pubsub_host: `host:port` of a local Pub/Sub.
        is_selected: given the attributes of a dead letter (`job_id`, `run_id`, `crawl`, `host`), returns
            whether to replay it.
        show: called with the number of dead letters replayed so far.

    Raises:
        ReplayError: a call to Pub/Sub failed; jobs that are not confirmed as published stay dead letters.
    """
    replayed, leased, seen = 0, set[str](), set[str]()
    with publisher_client(pubsub_host) as publisher, subscriber_client(pubsub_host) as subscriber:
        try:
            for dead_letters in _pull_all(subscriber):
                leased.update(each.ack_id for each in dead_letters)
                selected = [each for each in dead_letters if is_selected(dict(each.message.attributes))]
                # With ACK_POLICY=settled a replayed job may become a dead letter again during this replay.
                # The new dead letter is not replayed; it stays in the subscription.
                selected = [each for each in selected if _job_id(each) not in seen]
                seen.update(map(_job_id, selected))
                if selected:
                    _publish(publisher, selected)
                    _acknowledge(subscriber, selected)
                    leased.difference_update(each.ack_id for each in selected)
                    replayed += len(selected)
                    show(replayed)
        except (GoogleAPIError, TimeoutError) as error:
            raise ReplayError(
                f"{replayed} dead letters were replayed, then Pub/Sub at {pubsub_host} failed: {error}"
            ) from error
        finally:
            _release(subscriber, list(leased))
    return ReplayResult(replayed, len(leased))


def _pull_all(subscriber: SubscriberClient) -> Iterator[list[DeadLetter]]:
    empty_pulls = 0
    while empty_pulls < MAX_EMPTY_PULLS:
        dead_letters = _pull(subscriber)
        if dead_letters:
            _set_ack_deadline(subscriber, [each.ack_id for each in dead_letters], LEASE_SECONDS)
            yield dead_letters
        empty_pulls = 0 if dead_letters else empty_pulls + 1


def _pull(subscriber: SubscriberClient) -> list[DeadLetter]:
    try:
        response = subscriber.pull(
            subscription=subscription_path(DEAD_LETTER_SUBSCRIPTION),
            max_messages=MESSAGES_PER_PULL,
            timeout=PULL_TIMEOUT_SECONDS,
            retry=None,
        )
    except DeadlineExceeded:
        return []
    return list(response.received_messages)


def _publish(publisher: PublisherClient, dead_letters: list[DeadLetter]) -> None:
    topic = topic_path(JOBS_TOPIC)
    confirmations = [
        publisher.publish(
            topic,
            each.message.data,
            ordering_key=each.message.ordering_key,
            retry=None,  # with message ordering the client would retry forever
            timeout=CALL_TIMEOUT_SECONDS,
            **strip_dead_letter_attributes(each.message.attributes),
        )
        for each in dead_letters
    ]
    for confirmation in confirmations:
        confirmation.result(timeout=CALL_TIMEOUT_SECONDS)


def _job_id(dead_letter: DeadLetter) -> str:
    return dead_letter.message.attributes.get("job_id") or dead_letter.message.message_id


def _acknowledge(subscriber: SubscriberClient, dead_letters: list[DeadLetter]) -> None:
    subscriber.acknowledge(
        subscription=subscription_path(DEAD_LETTER_SUBSCRIPTION),
        ack_ids=[each.ack_id for each in dead_letters],
        timeout=CALL_TIMEOUT_SECONDS,
    )


def _release(subscriber: SubscriberClient, ack_ids: list[str]) -> None:
    try:
        _set_ack_deadline(subscriber, ack_ids, 0)
    except GoogleAPIError:
        return  # the dead letters become available again when their ack deadline ends


def _set_ack_deadline(subscriber: SubscriberClient, ack_ids: list[str], seconds: int) -> None:
    for start in range(0, len(ack_ids), MAX_ACK_IDS):
        subscriber.modify_ack_deadline(
            subscription=subscription_path(DEAD_LETTER_SUBSCRIPTION),
            ack_ids=ack_ids[start : start + MAX_ACK_IDS],
            ack_deadline_seconds=seconds,
            timeout=CALL_TIMEOUT_SECONDS,
            retry=None,
        )
