"""Subscriptions that nobody uses: deleted after the ttl of their expiration policy.

proto: ExpirationPolicy. A subscription is in use while a pull or stream is open on it, while its messages are
acknowledged, and when a call names it. The clock of a subscription starts anew with the server.
"""

import logging

from localpubsub.broker.catalogue import Catalogue
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import NotFound, StoreFailure

_log = logging.getLogger("localpubsub.broker.expiration")


async def delete_idle(catalogue: Catalogue, now: float) -> None:
    """Delete every subscription that was idle for longer than its policy allows."""
    for subscription in [each for each in catalogue.subscriptions.values() if _expired(each, now)]:
        try:
            await catalogue.delete_subscription(subscription.name)
        except (NotFound, StoreFailure) as failure:
            _log.warning("not deleted though idle subscription=%s: %s", subscription.name, failure)
        else:
            _log.warning("deleted after its idle ttl subscription=%s", subscription.name)


def _expired(subscription: Subscription, now: float) -> bool:
    read = (
        bool(subscription.consumers) and not subscription.endpoint
    )  # a push endpoint that never acks is idle
    if subscription.active or read or not subscription.active_at:
        subscription.active, subscription.active_at = False, now
        return False
    policy = subscription.resource.expiration_policy
    return bool(policy.HasField("ttl") and now - subscription.active_at > policy.ttl.seconds)
