"""Sends each message to its push endpoint by POST; the HTTP status of the response is an ack or a nack.

https://cloud.google.com/pubsub/docs/push
"""

import asyncio
import errno
import logging
from collections.abc import Callable
from typing import Final, cast

from localpubsub.backlog.lease import Lease
from localpubsub.broker.broker import READ_RETRY_DELAY, Broker
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

#: The HTTP statuses that acknowledge a message; all other statuses are nacks
#: (https://cloud.google.com/pubsub/docs/push#receive_push).
ACK_STATUSES: Final = frozenset({102, 200, 201, 202, 204})

#: Seconds for which the pushes of a subscription pause after a failure of localpubsub itself.
FAILURE_PAUSE: Final = 1.0

#: The errors of a new connection that mean that the limit of open files is reached (see open_files.py).
TOO_MANY_OPEN_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})

_log = logging.getLogger("localpubsub.push.delivery")


class PushDeliveries:
    """Keeps one PushDelivery for each push subscription, and replaces it when the push configuration changes.

    Args:
        broker: the broker of the messages.
        tokens: the source of the OIDC tokens.
        new_window: makes the window of a subscription whose pushes start.
        tls: the certificate authorities to trust.
    """

    def __init__(
        self,
        broker: Broker,
        tokens: Tokens,
        new_window: Callable[[], PushWindow],
        tls: TlsContext | None = None,
    ) -> None:
        self._tls = tls or TlsContext()
        self._broker = broker
        self._tokens = tokens
        self._new_window = new_window
        self._deliveries: dict[int, PushDelivery] = {}
        broker.catalogue.listeners.append(self.follow)
        for subscription in broker.catalogue.subscriptions.values():
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
            endpoint = Endpoint(subscription.endpoint, self._tls)
            delivery = PushDelivery(self._broker, subscription, self._tokens, self._new_window(), endpoint)
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


class PushDelivery:
    """The pushes of one subscription under one push configuration.

    A sender is a task that delivers one message after another over one connection while messages are ready.
    There are at most as many senders as the window allows. No task or timer is created per message, which
    keeps a push cheap.

    Attributes:
        push_config: the push configuration, which does not change.
        senders: the sender tasks that are running.
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
        self._in_flight: dict[Lease, Connection] = {}
        self._stopped = False
        subscription.consumers.add(self.wake)

    def wake(self) -> None:
        """Start one sender for each ready message, as far as the window and the push backoff allow."""
        unused = self._window.size - len(self.senders)
        if unused <= 0 or self._stopped:
            return
        if self._paused():
            return
        loop = asyncio.get_running_loop()
        for _ in range(min(unused, self._subscription.backlog.ready(self._broker.clock.now()))):
            self.senders.add(loop.create_task(self._deliver_while_ready()))

    def push_status(self) -> PushStatus:
        """Return the current window and the end of the pause, for the state page."""
        return PushStatus(self._window.size, self._backoff.resume_at)

    def stop(self, *, abort: bool) -> None:
        """Start no further delivery; with ``abort``, also close the connections of open pushes."""
        self._stopped = True
        self._subscription.consumers.discard(self.wake)
        self._endpoint.close()
        if abort:
            for connection in list(self._in_flight.values()):
                connection.abort("the subscription was deleted or detached, or the server stops")

    def lease_ended(self, lease: Lease) -> None:
        """Close the connection of a push that is open when its lease ends, usually at the ack deadline."""
        connection = self._in_flight.pop(lease, None)
        if connection is not None:
            connection.abort(f"no response within the ack deadline of {self._ack_deadline():g} s")

    def _ack_deadline(self) -> float:
        return self._subscription.backlog.policy.ack_deadline

    async def _deliver_while_ready(self) -> None:
        connection: Connection | None = None
        try:
            while (lease := self._next_lease()) is not None:
                connection = await self._deliver(lease, connection)
        finally:
            # The sender is removed here, because a done callback would run later. If a message became ready
            # before that callback, wake() would count this sender as running and might start no new one.
            self.senders.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            if connection is not None:
                self._release(connection)

    def _next_lease(self) -> Lease | None:
        if self._stopped or len(self.senders) > self._window.size or self._paused():
            return None
        return self._broker.deliver(self._subscription, self._ack_deadline(), self)

    def _paused(self) -> bool:
        """Return whether the push backoff pauses deliveries; if so, set the alarm to the end of the pause."""
        if self._broker.clock.now() >= self._backoff.resume_at:
            return False
        self._broker.alarm.set(self._backoff.resume_at)
        return True

    def _release(self, connection: Connection) -> None:
        if self._stopped:
            connection.abort("the pushes of the subscription were stopped")
        else:
            self._endpoint.release(connection)

    async def _deliver(self, lease: Lease, connection: Connection | None) -> Connection | None:
        """Push one message and apply the ack or nack; return the connection for the next push."""
        status, reason = 0, ""
        try:
            request = await self._request(lease)
        except Exception as error:  # noqa: BLE001 - the endpoint did not cause this error
            self._postpone(lease, error)
            return connection
        if request is None:
            self._broker.acknowledge_missing(self._subscription, lease)
            return connection
        try:
            if connection is None or not connection.usable:
                connection = self._endpoint.idle_connection() or await self._connect(lease)
            self._in_flight[lease] = connection
            status = await connection.post(request)
        except OSError as error:
            if error.errno in TOO_MANY_OPEN_FILES:
                self._postpone(lease, error)
                return None
            reason = str(error) or type(error).__name__
        finally:
            self._in_flight.pop(lease, None)
        self._finish(lease, status, reason)
        return connection

    def _postpone(self, lease: Lease, error: Exception) -> None:
        """Put an unsent message back into the backlog, without counting an attempt, and pause the pushes."""
        self._failures.error(f"{self._subscription.name} cannot push", error)
        self._backoff.pause_until(self._broker.clock.now() + FAILURE_PAUSE)
        self._broker.cancel_delivery(self._subscription, lease, READ_RETRY_DELAY)

    async def _connect(self, lease: Lease) -> Connection:
        async with asyncio.timeout(self._broker.clock.real_seconds_until(lease.deadline)):
            connection = await self._endpoint.connect()
        if self._subscription.backlog.find_lease(lease.message_id, lease.attempt) is None:
            connection.close()
            raise BadHttpResponse("no connection within the ack deadline")
        return connection

    async def _request(self, lease: Lease) -> bytes | None:
        """Return the bytes to send, or None if the message was deleted, as after its retention period."""
        record = await self._broker.record(self._subscription, lease)
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

    def _finish(self, lease: Lease, status: int, reason: str) -> None:
        """Acknowledge or nack the message; ``reason`` is why no status was received."""
        if status in ACK_STATUSES:
            seconds = self._broker.clock.now() - lease.delivered_at
            self._window.record_ack(len(self.senders), seconds)
            self._backoff.record_ack()
            self._broker.acknowledge(self._subscription, lease)
            if len(self.senders) < self._window.size:
                self.wake()
            return
        now = self._broker.clock.now()
        self._window.record_nack(now - lease.delivered_at)
        self._backoff.record_nack(lease.delivered_at, now)
        _log.info(
            "push_nacked subscription=%s message_id=%s attempt=%s status=%s reason=%s seconds=%.3f",
            self._subscription.name,
            lease.message_id,
            lease.attempt,
            status or "none",
            reason,
            now - lease.delivered_at,
        )
        self._broker.nack(self._subscription, lease)
