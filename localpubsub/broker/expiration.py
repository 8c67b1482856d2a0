"""Deletes unused subscriptions after the ttl of their expiration policy (proto: ExpirationPolicy).

A subscription is in use while a pull, a stream or an export is running on it, when one of its messages is
acknowledged, and when a request names it. After a restart of the server the ttl begins again.
"""

import logging

from localpubsub.broker.catalogue import Catalogue
from localpubsub.broker.subscription import Subscription
from localpubsub.broker.subscription_deletion import delete_subscription
from localpubsub.errors import NotFound, StoreFailure

_log = logging.getLogger("localpubsub.broker.expiration")


async def delete_unused(catalogue: Catalogue, now: float) -> None:
    """Delete every subscription that was unused for longer than its ttl."""
    for subscription in [each for each in catalogue.subscriptions.values() if _is_expired(each, now)]:
        # While another one was deleted, this one may have been used, or replaced by one of the same name.
        if subscription.used or catalogue.subscriptions.get(subscription.name) is not subscription:
            continue
        try:
            await delete_subscription(catalogue, subscription.name)
        except (NotFound, StoreFailure) as error:
            _log.warning("expired subscription not deleted subscription=%s: %s", subscription.name, error)
        else:
            _log.warning("expired subscription deleted subscription=%s", subscription.name)


def _is_expired(subscription: Subscription, now: float) -> bool:
    # The sender of pushes is a consumer, too, but it always exists, so it does not count as use.
    is_pulled = bool(subscription.consumers) and not subscription.endpoint
    if subscription.used or is_pulled or not subscription.used_at:
        subscription.used, subscription.used_at = False, now
        return False
    policy = subscription.resource.expiration_policy
    return bool(policy.HasField("ttl") and now - subscription.used_at > policy.ttl.seconds)
