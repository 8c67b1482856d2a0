"""Replaces a subscription of another version of Scrapeq, and keeps its messages.

Scrapeq 0.1 created the jobs subscription without message ordering, and earlier versions of 0.2 created the
subscription of shards without a filter. Pub/Sub cannot change these later:
https://cloud.google.com/pubsub/docs/subscription-properties. So the subscription is deleted and created
again. A snapshot keeps its unacknowledged messages meanwhile. If the process ends between two steps, the next
start continues with the snapshot, so no message is lost. A job whose push is open at that moment may be
scraped twice.
"""

from contextlib import suppress

from google.api_core.exceptions import AlreadyExists, MethodNotImplemented, NotFound
from google.cloud.pubsub_v1 import SubscriberClient
from google.pubsub_v1.types import Subscription

CALL_TIMEOUT_SECONDS = 10.0


def delete_if_different(subscriber: SubscriberClient, wanted: Subscription) -> None:
    """Delete a subscription with other ordering or another filter, after a snapshot of its messages.

    Args:
        subscriber: client of the local Pub/Sub.
        wanted: the subscription as it must be; none of its name need exist.
    """
    subscription = wanted.name
    try:
        found = subscriber.get_subscription(
            subscription=subscription, timeout=CALL_TIMEOUT_SECONDS, retry=None
        )
    except NotFound:
        return
    is_ordered = found.enable_message_ordering == wanted.enable_message_ordering
    if is_ordered and found.filter == wanted.filter:
        return
    with suppress(AlreadyExists):
        # If an earlier start ended after this step, its snapshot also has all messages published since then.
        subscriber.create_snapshot(
            name=_snapshot_of(subscription),
            subscription=subscription,
            timeout=CALL_TIMEOUT_SECONDS,
            retry=None,
        )
    subscriber.delete_subscription(subscription=subscription, timeout=CALL_TIMEOUT_SECONDS, retry=None)


def restore_messages(subscriber: SubscriberClient, subscription: str) -> None:
    """Give the messages of the deleted subscription, if there was one, to the new one of the same name."""
    snapshot = _snapshot_of(subscription)
    try:
        subscriber.seek(
            request={"subscription": subscription, "snapshot": snapshot},
            timeout=CALL_TIMEOUT_SECONDS,
            retry=None,
        )
    except (NotFound, MethodNotImplemented):  # there is no snapshot; some Pub/Sub emulators have none at all
        return
    subscriber.delete_snapshot(snapshot=snapshot, timeout=CALL_TIMEOUT_SECONDS, retry=None)


def _snapshot_of(subscription: str) -> str:
    return f"{subscription.replace('/subscriptions/', '/snapshots/')}-replaced"
