"""Replaces a jobs subscription without message ordering, and keeps its jobs.

Scrapeq 0.1 created the subscription without message ordering, which Pub/Sub cannot change later:
https://cloud.google.com/pubsub/docs/ordering#enable_message_ordering. So the subscription is deleted and
created again. A snapshot keeps its unacknowledged jobs meanwhile. If the process ends between two steps, the
next start continues with the snapshot, so no job is lost. A job whose push is open at that moment may be
scraped twice.
"""

from contextlib import suppress

from google.api_core.exceptions import AlreadyExists, MethodNotImplemented, NotFound
from google.cloud.pubsub_v1 import SubscriberClient

CALL_TIMEOUT_SECONDS = 10.0


def delete_if_unordered(subscriber: SubscriberClient, subscription: str) -> None:
    """Delete a subscription that has no message ordering, after a snapshot of its messages.

    Args:
        subscriber: client of the local Pub/Sub.
        subscription: full name of the subscription; it need not exist.
    """
    try:
        found = subscriber.get_subscription(
            subscription=subscription, timeout=CALL_TIMEOUT_SECONDS, retry=None
        )
    except NotFound:
        return
    if found.enable_message_ordering:
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
    return f"{subscription.replace('/subscriptions/', '/snapshots/')}-unordered"
