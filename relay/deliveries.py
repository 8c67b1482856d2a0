"""Delivers messages to the worker, as many at the same time as the push window allows.

A sender is a task that delivers one message after another over one connection while messages wait. The
window, the pauses after failures, the request and the connections are those of localpubsub's pushes.

The relay repeats nothing: after each answer it settles the message with the broker, which delivers it again.
"""

import asyncio
import logging
import time
from collections import deque
from typing import cast

from localpubsub.log_throttle import LogThrottle
from localpubsub.open_files import is_out_of_resources
from localpubsub.push.backoff import PushBackoff
from localpubsub.push.connection import Connection
from localpubsub.push.delivery import ACK_STATUSES, FAILURE_PAUSE
from localpubsub.push.tokens import Tokens
from localpubsub.push.window import PushWindow
from relay.broker import Broker, Received
from relay.counters import Counters
from relay.dead_letter import Answer, dead_letter_attributes
from relay.delivery_policy import DeliveryPolicy
from relay.push_request import AnswerConnection, AnswerEndpoint, body_of_push

RELEASE_SECONDS = 5.0  #: time limit for each release of messages at a stop: the broker may not answer
CHECKS_PER_DEADLINE = 20  #: how often in an ack deadline the open pushes are checked for theirs

_log = logging.getLogger("relay")


class _NotSent(Exception):
    """This machine has no more files, ports or memory for a push, which is not the worker's fault."""


class Deliveries:
    """The deliveries of one subscription.

    Args:
        broker: settles the messages.
        endpoint: the worker's endpoint.
        tokens: makes the tokens.
        window: limits the open pushes.
        policy: how messages are delivered.
    """

    def __init__(
        self,
        broker: Broker,
        endpoint: AnswerEndpoint,
        tokens: Tokens,
        window: PushWindow,
        policy: DeliveryPolicy,
    ) -> None:
        self.counters = Counters()
        self._broker = broker
        self._endpoint = endpoint
        self._tokens = tokens
        self._window = window
        self._policy = policy
        self._backoff = PushBackoff()
        self._waiting = deque[Received]()
        self._keys: dict[str, deque[Received]] = {}
        self._senders: set[asyncio.Task[None]] = set()
        self._connecting = set[asyncio.Timeout]()
        self._open: dict[Received, tuple[float, AnswerConnection]] = {}
        self._failures = LogThrottle(_log)
        self._is_stopped = False
        self._resume: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._deadlines = self._loop.create_task(self._end_late_pushes())

    def take(self, received: Received) -> None:
        """Deliver a message as soon as the window, and an earlier message of its ordering key, allow it."""
        self.counters.received += 1
        key = received.message.ordering_key
        if key:
            if key in self._keys:
                self._keys[key].append(received)
                return
            self._keys[key] = deque()
        self._waiting.append(received)
        self._wake()

    async def stop(self, grace: float) -> None:
        """Deliver nothing more; wait `grace` seconds for the open pushes; release all other messages.

        If one relay at a time receives, the next one begins as soon as this one receives no more. So it goes
        on until its pushes have ended: else an ordering key could have an open push of each. In all other
        cases the other relays get the released messages at once.
        """
        self._is_stopped = True
        self._deadlines.cancel()
        if self._resume is not None:
            self._resume.cancel()
        if not self._broker.is_single_active:
            await self._release_unsent()
        await self._end_pushes(grace)
        await self._release_unsent()
        self._endpoint.close()

    async def _release_unsent(self) -> None:
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._broker.stop_taking()
                unsent = [*self._waiting, *(each for waiting in self._keys.values() for each in waiting)]
                self._waiting.clear()
                self._keys.clear()
                await asyncio.gather(*map(self._release, unsent))
        except TimeoutError:
            _log.error("messages_not_released: the broker does not answer; they come as further attempts")

    async def _end_pushes(self, grace: float) -> None:
        if self._senders:
            await asyncio.wait(self._senders, timeout=grace)
        for limit in self._connecting:
            limit.reschedule(self._loop.time())
        for _, connection in list(self._open.values()):
            connection.abort("the relay stops")
        if self._senders:
            await asyncio.wait(self._senders, timeout=RELEASE_SECONDS)
        for sender in list(self._senders):
            sender.cancel()  # the broker does not answer

    def _wake(self) -> None:
        if self._is_stopped or self._is_paused():
            return
        for _ in range(min(self._window.size - len(self._senders), len(self._waiting))):
            self._senders.add(self._loop.create_task(self._deliver_while_waiting()))

    def _is_paused(self) -> bool:
        """Return whether pushes pause, since many failed; if so, wake up at the end of the pause."""
        seconds = self._backoff.resume_at - time.monotonic()
        if seconds <= 0:
            return False
        if self._resume is None:
            self._resume = self._loop.call_later(seconds, self._end_pause)
        return True

    def _end_pause(self) -> None:
        self._resume = None
        self._wake()

    async def _deliver_while_waiting(self) -> None:
        connection: AnswerConnection | None = None
        try:
            while self._waiting and len(self._senders) <= self._window.size:
                if self._is_stopped or self._is_paused():
                    break
                received = self._waiting.popleft()
                try:
                    connection = await self._deliver(received, connection)
                except _NotSent as error:
                    self._postpone(received, error)
                    continue
                except Exception as error:  # noqa: BLE001 - an error of the relay: the message is delivered again
                    _log.exception("delivery_crashed message_id=%s error=%s", received.message_id, error)
                    await self._broker.return_later(received, self._policy.retry.delay(received.attempt))
                self._next_of_key(received.message.ordering_key)
        finally:
            self._senders.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            if connection is not None:
                self._endpoint.release(connection)
        self._wake()

    def _next_of_key(self, key: str) -> None:
        waiting = self._keys.get(key) if key else None
        if waiting:
            self._waiting.append(waiting.popleft())
        elif waiting is not None:
            del self._keys[key]

    async def _deliver(
        self, received: Received, connection: AnswerConnection | None
    ) -> AnswerConnection | None:
        if not self._broker.holds(received):
            self.counters.lost += 1
            return connection
        if received.attempt > self._policy.max_attempts:
            # Its deliveries ended without an answer, for example because relays were killed.
            detail = f"all {received.attempt - 1} deliveries ended without an answer of the worker"
            await self._dead_letter(received, Answer(0, "", detail), received.attempt - 1)
            return connection
        began = time.monotonic()
        answer, connection = await self._push(received, connection)
        seconds = time.monotonic() - began
        if answer.status in ACK_STATUSES:
            self._window.record_ack(len(self._senders), seconds)
            self._backoff.record_ack()
            self.counters.acknowledged += 1
            self._broker.acknowledge(received)
            if len(self._senders) < self._window.size:
                self._wake()
            return connection
        if self._is_stopped and not answer.status:
            await self._release(received)
            return connection
        self._window.record_nack(seconds)
        self._backoff.record_nack(began, began + seconds)
        self._log_failure(received, answer, seconds)
        if received.attempt >= self._policy.max_attempts:
            await self._dead_letter(received, answer, received.attempt)
        else:
            self.counters.returned += 1
            await self._broker.return_later(received, self._policy.retry.delay(received.attempt))
        return connection

    async def _push(
        self, received: Received, connection: AnswerConnection | None
    ) -> tuple[Answer, AnswerConnection | None]:
        policy = self._policy
        bearer = ""
        if policy.service_account:
            bearer = await self._tokens.bearer(policy.service_account, policy.audience)
        request = self._endpoint.request(body_of_push(received, policy.subscription), bearer)
        try:
            if connection is None or not connection.usable:
                found = self._endpoint.idle_connection() or await self._connect()
                connection = cast("AnswerConnection", found)
            self._open[received] = (time.monotonic(), connection)
            self.counters.open = len(self._open)
            status = await connection.post(request)
        except OSError as error:
            if is_out_of_resources(error):
                raise _NotSent(str(error)) from error
            return Answer(0, "", str(error) or type(error).__name__), connection
        finally:
            self._open.pop(received, None)
            self.counters.open = len(self._open)
        if status in ACK_STATUSES:
            return Answer(status), connection
        return Answer(status, *connection.reason_and_detail()), connection

    async def _connect(self) -> Connection:
        async with asyncio.timeout(self._policy.ack_deadline) as limit:
            self._connecting.add(limit)
            try:
                return await self._endpoint.connect()
            finally:
                self._connecting.discard(limit)

    def _postpone(self, received: Received, error: _NotSent) -> None:
        """Push a message later, before all others of its key, without counting an attempt."""
        self._failures.error("relay cannot push", error)
        self._backoff.pause_until(time.monotonic() + FAILURE_PAUSE)
        self._waiting.appendleft(received)

    async def _end_late_pushes(self) -> None:
        deadline = self._policy.ack_deadline
        while True:
            await asyncio.sleep(deadline / CHECKS_PER_DEADLINE)
            self.counters.waiting = len(self._waiting) + sum(map(len, self._keys.values()))
            latest = time.monotonic() - deadline
            for began, connection in list(self._open.values()):
                if began > latest:
                    break  # a dictionary keeps the order of insertion, so all others began later
                connection.abort(f"no response within the ack deadline of {deadline:g} s")

    async def _release(self, received: Received) -> None:
        self.counters.released += 1
        await self._broker.release(received)

    async def _dead_letter(self, received: Received, answer: Answer, deliveries: int) -> None:
        attributes = dead_letter_attributes(received, answer, deliveries, self._policy.subscription)
        await self._broker.dead_letter(received, attributes)
        self.counters.dead_lettered += 1

    def _log_failure(self, received: Received, answer: Answer, seconds: float) -> None:
        _log.warning(
            "push_nacked message_id=%s job_id=%s attempt=%s status=%s reason=%s seconds=%.3f detail=%s",
            received.message_id,
            received.message.attributes.get("job_id", ""),
            received.attempt,
            answer.status or "none",
            answer.reason or "none",
            seconds,
            answer.detail,
        )
