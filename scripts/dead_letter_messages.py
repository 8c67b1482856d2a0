"""Pulls dead letters and publishes their original messages."""

import base64
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from scripts.pubsub_rest import ApiError, Pubsub, ReceivedMessage

PUBSUB_PREFIX = "CloudPubSubDeadLetter"  #: prefix of the attributes that Pub/Sub adds to a dead letter
#: Attributes that a worker with ACK_POLICY=settled adds to a dead letter (contract/dead_letter.py).
WORKER_ATTRIBUTES = frozenset({"reason", "detail", "attempt"})
DELIVERY_COUNT = "CloudPubSubDeadLetterSourceDeliveryCount"
MESSAGES_PER_PULL = 500
MAX_MESSAGES = 10_000_000  #: more than a subscription is expected to have
#: Consecutive empty pulls after which the subscription counts as empty. One empty response is not enough,
#: because Pub/Sub may return one although messages remain:
#: https://cloud.google.com/pubsub/docs/pull#dont_return_immediately
MAX_EMPTY_PULLS = 2
MAX_PUBLISH_BYTES = 4_000_000  #: maximum base64 bytes in one publish request; Pub/Sub allows 10,000,000
MESSAGE_REFUSED = frozenset({400, 413})  #: HTTP statuses with which Pub/Sub refuses a message's content


def original_message(received: ReceivedMessage) -> dict[str, Any]:
    """Return the message as it was before it became a dead letter: without the added attributes."""
    message = received["message"]
    attributes = message.get("attributes", {})
    original = {
        name: value
        for name, value in attributes.items()
        if name not in WORKER_ATTRIBUTES and not name.startswith(PUBSUB_PREFIX)
    }
    fields = {
        "data": message.get("data", ""),
        "attributes": original,
        "orderingKey": message.get("orderingKey", ""),
    }
    return {name: value for name, value in fields.items() if value}


def describe(received: ReceivedMessage) -> str:
    """Return one line about a dead letter, with control characters escaped."""
    message = received["message"]
    attributes = dict(message.get("attributes", {}))
    attempts = attributes.get(DELIVERY_COUNT, "?")
    shown = {"attempts": attempts, "reason": attributes.pop("reason", "not in the message: see the ledger")}
    shown |= {name: value for name, value in sorted(attributes.items()) if not name.startswith(PUBSUB_PREFIX)}
    pairs = " ".join(f"{json.dumps(name)[1:-1]}={json.dumps(value)}" for name, value in shown.items())
    size = len(base64.b64decode(message.get("data", "")))
    return f"{message['messageId']} {message.get('publishTime', '')} {pairs} data={size} B"


class Puller:
    """Pulls dead letters, and releases those that were not acknowledged.

    Args:
        pubsub: client of the project.
        subscription: name of the dead-letter subscription.
        lease_seconds: ack deadline of the pulled dead letters.

    Attributes:
        found: ids of the jobs that `pull_jobs` has found.
    """

    def __init__(self, pubsub: Pubsub, subscription: str, lease_seconds: int) -> None:
        self._pubsub = pubsub
        self._subscription = subscription
        self._lease_seconds = lease_seconds
        self._leased: dict[str, ReceivedMessage] = {}
        self.found: set[str] = set()

    def pull(self, count: int) -> Iterator[list[ReceivedMessage]]:
        """Yield lists of dead letters, at most `count` in all, until the subscription is empty."""
        empty_pulls, remaining = 0, count
        while remaining > 0 and empty_pulls < MAX_EMPTY_PULLS:
            messages = self._pubsub.pull(self._subscription, min(remaining, MESSAGES_PER_PULL))
            self._leased |= {message["ackId"]: message for message in messages}
            if messages:
                self._pubsub.modify_ack_deadline(self._subscription, messages, self._lease_seconds)
                remaining -= len(messages)
                yield messages
            empty_pulls = 0 if messages else empty_pulls + 1

    def pull_jobs(self, wanted: set[str]) -> Iterator[list[ReceivedMessage]]:
        """Yield lists of dead letters, one for each job in `wanted` that has dead letters.

        All other dead letters are leased meanwhile. A dead letter whose lease ends is pulled again; so the
        search ends when a pull returns only dead letters that were pulled before.
        """
        seen = set[str]()
        for messages in self.pull(MAX_MESSAGES):
            new = [each for each in messages if each["message"]["messageId"] not in seen]
            seen.update(each["message"]["messageId"] for each in new)
            chosen = list[ReceivedMessage]()
            for message in new:
                job_id = message["message"].get("attributes", {}).get("job_id", "")
                if job_id in wanted - self.found:
                    self.found.add(job_id)
                    chosen.append(message)
            if chosen:
                yield chosen
            if not new or self.found == wanted:
                return

    def acknowledge(self, messages: list[ReceivedMessage]) -> None:
        """Remove dead letters from the subscription."""
        self._pubsub.acknowledge(self._subscription, messages)
        for message in messages:
            del self._leased[message["ackId"]]

    def release(self) -> None:
        """Make the dead letters that were not acknowledged available again.

        If the request fails, they become available when their ack deadline ends.
        """
        try:
            self._pubsub.modify_ack_deadline(self._subscription, list(self._leased.values()), 0)
        except (ApiError, TimeoutError):
            return


def batches(messages: list[ReceivedMessage]) -> Iterator[list[ReceivedMessage]]:
    """Yield the messages of each publish request: all have one ordering key, and their order is kept.

    The size of a request is limited by MAX_PUBLISH_BYTES.
    """
    by_key = defaultdict[str, list[ReceivedMessage]](list)
    for message in messages:
        by_key[message["message"].get("orderingKey", "")].append(message)
    for same_key in by_key.values():
        batch, size = list[ReceivedMessage](), 0
        for message in same_key:
            message_size = len(message["message"].get("data", ""))
            if batch and size + message_size > MAX_PUBLISH_BYTES:
                yield batch
                batch, size = [], 0
            batch.append(message)
            size += message_size
        yield batch


def publish(
    pubsub: Pubsub, topic: str, messages: list[ReceivedMessage]
) -> tuple[list[ReceivedMessage], list[str]]:
    """Publish the original messages; return the published dead letters, and an error for each refused one."""
    try:
        pubsub.publish(topic, [original_message(message) for message in messages])
    except ApiError as error:
        if error.status not in MESSAGE_REFUSED:
            raise
        if len(messages) == 1:
            return [], [f"Pub/Sub refuses message {messages[0]['message']['messageId']}: {error}"]
        middle = len(messages) // 2  # bisect, so that one refused message does not block the others
        published, errors = publish(pubsub, topic, messages[:middle])
        more_published, more_errors = publish(pubsub, topic, messages[middle:])
        return published + more_published, errors + more_errors
    return messages, []
