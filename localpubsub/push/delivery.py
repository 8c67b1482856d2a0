"""Sends each message to its push endpoint by POST; the HTTP status of the response is an ack or a nack.

https://cloud.google.com/pubsub/docs/push

Every part of a push ends when the lease of its message ends, at the ack deadline at the latest: the
connection with its TLS handshake, the request and the response. An error of localpubsub or of this machine,
for example too many open files, is not the endpoint's fault: the message waits, and no attempt is counted.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Final, cast

from localpubsub.alarm import end_now
from localpubsub.backlog.lease import Lease
from localpubsub.broker.broker import READ_RETRY_DELAY, Broker
from localpubsub.broker.state import PushStatus
from localpubsub.broker.subscription import Subscription
from localpubsub.log_throttle import LogThrottle
from localpubsub.open_files import is_out_of_resources
from localpubsub.push.backoff import PushBackoff
from localpubsub.push.capacity import PushCapacity
from localpubsub.push.connection import Connection, Endpoint
from localpubsub.push.envelope import push_body
from localpubsub.push.http_response import BadHttpResponse
from localpubsub.push.tokens import Tokens
from localpubsub.push.unwrapped import unwrapped
from localpubsub.push.window import PushWindow

#: The HTTP statuses that acknowledge a message; all other statuses are nacks
#: (https://cloud.google.com/pubsub/docs/push#receive_push).
ACK_STATUSES: Final = frozenset({102, 200, 201, 202, 204})

#: Seconds for which the pushes of a subscription pause after a failure of localpubsub itself.
FAILURE_PAUSE: Final = 1.0

_log = logging.getLogger("localpubsub.push.delivery")


@dataclass(frozen=True, slots=True)
class PushContext:
    """What the pushes of all subscriptions share."""

    broker: Broker
    tokens: Tokens  #: The source of the OIDC tokens.
    capacity: PushCapacity = field(default_factory=PushCapacity)  #: Limits all open pushes together.
    #: Logs the failures of localpubsub itself. It is shared, because they concern all subscriptions at once.
    failures: LogThrottle = field(default_factory=lambda: LogThrottle(_log))


class PushDelivery:
    """The pushes of one subscription under one push configuration.

    A sender is a task that delivers one message after another over one connection while messages are ready.
    There are at most as many senders as the window allows. No task or timer is created per message, which
    keeps a push cheap.

    Attributes:
        push_config: the push configuration, which does not change.
        takes_further: False, because push has at most one outstanding message of an ordering key
            (https://cloud.google.com/pubsub/docs/ordering).
        senders: the sender tasks that are running.
    """

    takes_further = False

    def __init__(
        self, context: PushContext, subscription: Subscription, window: PushWindow, endpoint: Endpoint
    ) -> None:
        self.push_config = config = subscription.resource.push_config
        #: Service account and audience of the token; None if the pushes have no token.
        self._identity: tuple[str, str] | None = None
        if config.HasField("oidc_token"):
            token = config.oidc_token
            self._identity = token.service_account_email, token.audience or config.push_endpoint
        self._wraps = not config.HasField("no_wrapper")
        self.senders: set[asyncio.Task[None]] = set()
        self._broker = context.broker
        self._tokens = context.tokens
        self._capacity = context.capacity
        self._failures = context.failures
        self._subscription = subscription
        self._window = window
        self._backoff = PushBackoff()
        self._endpoint = endpoint
        self._connecting: dict[Lease, asyncio.Timeout] = {}
        self._in_flight: dict[Lease, Connection] = {}
        self._stopped = False
        subscription.consumers.add(self.wake)

    def wake(self) -> None:
        """Start one sender for each ready message, as far as window, push backoff and capacity allow."""
        unused = self._window.size - len(self.senders)
        if unused <= 0 or self._stopped:
            return
        if self._paused():
            return
        loop = asyncio.get_running_loop()
        for _ in range(min(unused, self._subscription.backlog.ready(self._broker.clock.now()))):
            if not self._capacity.take_place(self.wake):
                return
            self.senders.add(loop.create_task(self._deliver_while_ready()))

    def push_status(self) -> PushStatus:
        """Return the current window and the end of the pause, for the state page."""
        return PushStatus(self._window.size, self._backoff.resume_at)

    def stop(self, *, abort: bool) -> None:
        """Start no further delivery; with ``abort``, also close the connections of open pushes."""
        self._stopped = True
        self._subscription.consumers.discard(self.wake)
        self._capacity.forget(self.wake)
        self._endpoint.close()
        if abort:
            for limit in self._connecting.values():
                end_now(limit)
            for connection in list(self._in_flight.values()):
                connection.abort("the subscription was deleted or detached, or the server stops")

    def lease_ended(self, lease: Lease) -> None:
        """Close the connection of a push that is open when its lease ends, usually at the ack deadline."""
        if (limit := self._connecting.get(lease)) is not None:
            end_now(limit)
        connection = self._in_flight.pop(lease, None)
        if connection is not None:
            connection.abort(f"no response within the ack deadline of {self._ack_deadline():g} s")

    def _ack_deadline(self) -> float:
        return self._subscription.backlog.policy.ack_deadline

    async def _deliver_while_ready(self) -> None:
        connection: Connection | None = None
        try:
            lease = self._next_lease()
            while lease is not None:
                connection = await self._deliver(lease, connection)
                # A sender pushes at least once before it returns its place, because another one might return
                # the place at once, too.
                lease = self._next_lease() if self._capacity.admits(self.wake) else None
        finally:
            # The sender is removed here, because a done callback would run later. If a message became ready
            # before that callback, wake() would count this sender as running and might start no new one.
            self.senders.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            if connection is not None:
                self._release(connection)
            self._capacity.return_place(self.wake)
        self.wake()  # messages are ready if this sender has returned its place to another subscription

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
        try:
            request = await self._request(lease)
            if request is None:
                self._broker.acknowledge_missing(self._subscription, lease)
            elif not self._capacity.take_bytes(self.wake, len(request)):
                self._broker.cancel_delivery(self._subscription, lease)
            else:
                try:
                    connection = await self._push(lease, request, connection)
                finally:
                    self._capacity.return_bytes(self.wake, len(request))
        except Exception as error:  # noqa: BLE001 - the endpoint did not cause this error
            self._postpone(lease, error)
        return connection

    async def _push(self, lease: Lease, request: bytes, connection: Connection | None) -> Connection | None:
        """Send a request, and apply the response or the failure of the endpoint.

        Raises:
            Exception: the endpoint did not cause the failure.
        """
        status, reason = 0, ""
        try:
            if connection is None or not connection.usable:
                connection = self._endpoint.idle_connection() or await self._connect(lease)
            if not self._subscription.is_current(lease) or self._subscription.deleted_or_detached:
                self._release(connection)
                connection = None
                raise BadHttpResponse("the lease ended before the request was sent")
            self._in_flight[lease] = connection
            status = await connection.post(request)
        except OSError as error:
            if is_out_of_resources(error):
                raise
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
        seconds = self._broker.clock.real_seconds_until(lease.deadline)
        try:
            async with asyncio.timeout(seconds) as limit:
                self._connecting[lease] = limit
                return await self._endpoint.connect()
        except TimeoutError as error:
            if limit.expired():
                raise BadHttpResponse("no connection before the lease ended") from error
            raise
        finally:
            self._connecting.pop(lease, None)

    async def _request(self, lease: Lease) -> bytes | None:
        """Return the bytes to send, or None if the message was deleted, as after its retention period."""
        bearer = await self._tokens.bearer(*self._identity) if self._identity else ""
        record = await self._broker.record(self._subscription, lease)
        if record is None:
            return None
        if self._wraps:
            body = push_body(record, self._subscription.name, self._subscription.delivery_attempt(lease))
            return self._endpoint.request(body, bearer)
        metadata = self.push_config.no_wrapper.write_metadata
        body, headers = unwrapped(record, self._subscription.name, write_metadata=metadata)
        return self._endpoint.request(body, bearer, headers)

    def _finish(self, lease: Lease, status: int, reason: str) -> None:
        """Acknowledge or nack the message; ``reason`` is why no status was received."""
        seconds = self._broker.clock.now() - lease.delivered_at
        self._subscription.counters.record_push(status, seconds)
        if status in ACK_STATUSES:
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
