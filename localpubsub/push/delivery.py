"""Push delivery: POSTs messages to an endpoint, and takes each status for an ack or a nack.

https://cloud.google.com/pubsub/docs/push
"""

import asyncio
import logging
from typing import Final, cast

from localpubsub.backlog.lease import Lease
from localpubsub.broker.broker import UNREADABLE, Broker
from localpubsub.broker.state import PushStatus
from localpubsub.broker.subscription import Subscription
from localpubsub.log_throttle import LogThrottle
from localpubsub.push.backoff import PushBackoff
from localpubsub.push.connection import Connection, Endpoint
from localpubsub.push.envelope import push_body
from localpubsub.push.http_response import BadHttpResponse
from localpubsub.push.tls import TlsContext
from localpubsub.push.tokens import Tokens
from localpubsub.push.unwrapped import unwrapped
from localpubsub.push.window import PushWindow

#: The answers that acknowledge (https://cloud.google.com/pubsub/docs/push#receive_push). All others refuse.
ACKNOWLEDGING: Final = frozenset({102, 200, 201, 202, 204})

REST: Final = 1.0  #: seconds in which a subscription rests after a failure of our own

_log = logging.getLogger("localpubsub.push.delivery")


class PushDeliveries:
    """Every push subscription has one delivery here, which follows its configuration."""

    def __init__(
        self, broker: Broker, tokens: Tokens, max_outstanding: int, trust: TlsContext | None = None
    ) -> None:
        self._trust = trust or TlsContext()
        self._broker = broker
        self._tokens = tokens
        self._max_outstanding = max_outstanding
        self._deliveries: dict[int, PushDelivery] = {}
        broker.catalogue.listeners.append(self.follow)
        for subscription in broker.catalogue.subscriptions.values():
            self.follow(subscription)

    def follow(self, subscription: Subscription) -> None:
        """Begin, change or end the pushes of a subscription that was created, changed or deleted."""
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
            window = PushWindow(self._max_outstanding)
            endpoint = Endpoint(subscription.endpoint, self._trust)
            delivery = PushDelivery(self._broker, subscription, self._tokens, window, endpoint)
            self._deliveries[subscription.number] = delivery
            delivery.wake()

    def push_status(self, subscription: Subscription) -> PushStatus | None:
        """How fast its pushes may go, or None when nothing is pushed."""
        delivery = self._deliveries.get(subscription.number)
        return delivery.push_status() if delivery is not None else None

    async def close(self, grace: float) -> None:
        """End all pushes. What is not answered after ``grace`` seconds stays unacknowledged."""
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


class PushDelivery:
    """The pushes of one subscription under one push configuration.

    A courier is a task that delivers message after message over one connection, as long as there are any:
    there are as many as the window allows, and no task, timer or future is made for a message alone.
    """

    def __init__(
        self,
        broker: Broker,
        subscription: Subscription,
        tokens: Tokens,
        window: PushWindow,
        endpoint: Endpoint,
    ) -> None:
        self.push_config = subscription.resource.push_config
        self.senders: set[asyncio.Task[None]] = set()
        self._broker = broker
        self._subscription = subscription
        self._tokens = tokens
        self._window = window
        self._backoff = PushBackoff()
        self._failures = LogThrottle(_log)
        self._endpoint = endpoint
        self._under_way: dict[Lease, Connection] = {}
        self._stopped = False
        subscription.consumers.add(self.wake)

    def wake(self) -> None:
        """Send out as many couriers as there are messages ready and places in the window."""
        places = self._window.size - len(self.senders)
        if places <= 0 or self._stopped:
            return
        if self._resting():
            return
        loop = asyncio.get_running_loop()
        for _ in range(min(places, self._subscription.backlog.ready(self._broker.clock.now()))):
            self.senders.add(loop.create_task(self._deliver_while_ready()))

    def push_status(self) -> PushStatus:
        """For who watches."""
        return PushStatus(self._window.size, self._backoff.resume_at)

    def stop(self, *, abort: bool) -> None:
        """No further deliveries. Those under way are finished, or with ``abort`` cut off."""
        self._stopped = True
        self._subscription.consumers.discard(self.wake)
        self._endpoint.close()
        if abort:
            for connection in list(self._under_way.values()):
                connection.abort("the subscription is gone")

    def lease_ended(self, lease: Lease) -> None:
        """The ack deadline passed: close the connection on which the answer did not come."""
        connection = self._under_way.pop(lease, None)
        if connection is not None:
            connection.abort(f"no answer within the ack deadline of {self._seconds():g} s")

    def _seconds(self) -> float:
        return self._subscription.backlog.policy.ack_deadline

    async def _deliver_while_ready(self) -> None:
        connection: Connection | None = None
        try:
            while (lease := self._next_lease()) is not None:
                connection = await self._deliver(lease, connection)
        finally:
            # At once, not when the loop gets to it: a message that comes in between finds the place free.
            self.senders.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            if connection is not None:
                self._give_back(connection)

    def _next_lease(self) -> Lease | None:
        if self._stopped or len(self.senders) > self._window.size or self._resting():
            return None
        return self._broker.deliver(self._subscription, self._seconds(), self)

    def _resting(self) -> bool:
        """Whether the push backoff forbids deliveries; the alarm then wakes when it ends."""
        if self._broker.clock.now() >= self._backoff.resume_at:
            return False
        self._broker.alarm.set(self._backoff.resume_at)
        return True

    def _give_back(self, connection: Connection) -> None:
        if self._stopped:
            connection.close()
        else:
            self._endpoint.release(connection)

    async def _deliver(self, lease: Lease, connection: Connection | None) -> Connection | None:
        """One push, to its ack or nack; the connection if it can carry another."""
        status, reason = 0, ""
        try:
            request = await self._request(lease)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is our fault and not the endpoint's
            self._put_off(lease, error)
            return connection
        if request is None:
            self._broker.acknowledge_missing(self._subscription, lease)
            return connection
        try:
            if connection is None or not connection.usable:
                connection = self._endpoint.idle_connection() or await self._connect(lease)
            self._under_way[lease] = connection
            status = await connection.post(request)
        except OSError as error:
            reason = str(error) or type(error).__name__
        finally:
            self._under_way.pop(lease, None)
        self._settle(lease, status, reason)
        return connection

    def _put_off(self, lease: Lease, error: Exception) -> None:
        """The message could not even be sent: no attempt, and a rest for whatever is wrong with us."""
        self._failures.error(f"{self._subscription.name} cannot push", error)
        self._backoff.rest_until(self._broker.clock.now() + REST)
        self._broker.cancel_delivery(self._subscription, lease, UNREADABLE)

    async def _connect(self, lease: Lease) -> Connection:
        async with asyncio.timeout(self._broker.clock.wait_until(lease.deadline)):
            connection = await self._endpoint.connect()
        if self._subscription.backlog.find_lease(lease.message_id, lease.attempt) is None:
            connection.close()
            raise BadHttpResponse("no connection within the ack deadline")
        return connection

    async def _request(self, lease: Lease) -> bytes | None:
        """The bytes to send, or None if the message is gone (its retention passed)."""
        record = await self._broker.record(self._subscription, lease.message_id)
        if record is None:
            return None
        bearer = ""
        if self.push_config.HasField("oidc_token"):
            token = self.push_config.oidc_token
            audience = token.audience or self.push_config.push_endpoint
            bearer = await self._tokens.bearer(token.service_account_email, audience)
        if self.push_config.HasField("no_wrapper"):
            metadata = self.push_config.no_wrapper.write_metadata
            body, headers = unwrapped(record, self._subscription.name, write_metadata=metadata)
            return self._endpoint.request(body, bearer, headers)
        body = push_body(record, self._subscription.name, self._subscription.delivery_attempt(lease))
        return self._endpoint.request(body, bearer)

    def _settle(self, lease: Lease, status: int, reason: str) -> None:
        if status in ACKNOWLEDGING:
            self._window.acknowledged(len(self.senders))
            self._backoff.acknowledged()
            self._broker.acknowledge(self._subscription, lease)
            if len(self.senders) < self._window.size:
                self.wake()
            return
        now = self._broker.clock.now()
        self._window.refused()
        self._backoff.refused(lease.delivered_at, now)
        _log.info(
            "delivery refused subscription=%s message_id=%s attempt=%s status=%s reason=%s seconds=%.3f",
            self._subscription.name,
            lease.message_id,
            lease.attempt,
            status or "none",
            reason,
            now - lease.delivered_at,
        )
        self._broker.nack(self._subscription, lease)
