"""Starts and stops the pushes of push subscriptions as their configuration changes."""

import asyncio
import logging
from collections.abc import Callable

from localpubsub.broker.state import PushStatus
from localpubsub.broker.subscription import Subscription
from localpubsub.push.connection import Endpoint
from localpubsub.push.delivery import PushContext, PushDelivery
from localpubsub.push.tls import TlsContext
from localpubsub.push.window import PushWindow

_log = logging.getLogger("localpubsub.push.delivery")


class PushDeliveries:
    """Keeps one PushDelivery for each push subscription, and replaces it when the push configuration changes.

    Args:
        context: what the pushes of all subscriptions share.
        new_window: makes the window of a subscription whose pushes start.
        tls: the certificate authorities to trust.
    """

    def __init__(
        self, context: PushContext, new_window: Callable[[], PushWindow], tls: TlsContext | None = None
    ) -> None:
        self._tls = tls or TlsContext()
        self._context = context
        self._new_window = new_window
        self._deliveries: dict[int, PushDelivery] = {}
        catalogue = context.broker.catalogue
        catalogue.listeners.append(self.follow)
        for subscription in catalogue.subscriptions.values():
            self.follow(subscription)

    def follow(self, subscription: Subscription) -> None:
        """Start, restart or stop the pushes of a subscription that was created, changed or deleted."""
        delivery = self._deliveries.get(subscription.number)
        if delivery is not None:
            if (
                not subscription.deleted_or_detached
                and delivery.push_config == subscription.resource.push_config
            ):
                return
            delivery.stop(abort=subscription.deleted_or_detached)
            del self._deliveries[subscription.number]
        if subscription.endpoint and not subscription.deleted_or_detached:
            try:
                endpoint = Endpoint(subscription.endpoint, self._tls)
            except ValueError as error:  # such a URL is not accepted today, but a file may contain one
                _log.error(
                    "push_endpoint_invalid subscription=%s endpoint=%s: %s; change the push config",
                    subscription.name,
                    subscription.endpoint,
                    error,
                )
                return
            delivery = PushDelivery(self._context, subscription, self._new_window(), endpoint)
            self._deliveries[subscription.number] = delivery
            delivery.wake()

    def push_status(self, subscription: Subscription) -> PushStatus | None:
        """Return the window and pause of a push subscription, or None for another kind of subscription."""
        delivery = self._deliveries.get(subscription.number)
        return delivery.push_status() if delivery is not None else None

    async def close(self, grace: float) -> None:
        """Stop all pushes; messages without a response after ``grace`` seconds stay unacknowledged."""
        deliveries = list(self._deliveries.values())
        for delivery in deliveries:
            delivery.stop(abort=False)
        senders = [sender for delivery in deliveries for sender in delivery.senders]
        if senders:
            _, unfinished = await asyncio.wait(senders, timeout=grace)
            for sender in unfinished:
                sender.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
        for delivery in deliveries:
            delivery.stop(abort=True)
