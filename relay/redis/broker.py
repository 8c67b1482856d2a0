"""Receives the messages of a consumer group of a Redis stream, and settles them.

A message stays pending in its group until it is acknowledged, so nothing is lost if the relay ends. Redis
counts its deliveries. `relay/redis/pending.py` explains how a message is delivered again.

A lost connection to Redis costs no attempt: the messages still belong to the relay, which settles them over
the next connection. If there is none for some seconds, the relay counts them as lost
(`relay/redis/lease.py`).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

from redis import exceptions

from contract.broker_url import broker_address
from contract.topology import DEAD_LETTER_TOPIC
from publishing.message_id import new_message_id
from publishing.publisher import Message
from publishing.redis import wire
from publishing.redis.connection import describe_failure
from relay.broker import CannotRelay, Received
from relay.redis.lease import Lease
from relay.redis.pending import Entry, Pending
from relay.redis.scripts import DEAD_LETTER, REMOVE_CONSUMER
from relay.redis.session import Session, Unsuitable
from relay.redis.settlements import Settlement, Settlements
from relay.redis.topology import NO_PARTITIONS, check
from relay.subscriptions import Subscription

RECONNECT_SECONDS = 1.0  #: pause before each further attempt to connect
BLOCK_MILLISECONDS = 250  #: how long Redis waits for a new message before it answers that there is none
CLAIM_SECONDS = 0.25  #: pause between two searches for messages that are due
REFUSED_SECONDS = 10.0  #: delay of a message that could not be moved to the dead letters
MAX_READ = 100  #: maximum number of messages of one reply
#: Pause after a reply with fewer messages than wanted, if the subscription is not pushed: each reply costs
#: Redis a write to disk, and both sides several times the processor time of a message.
READ_PAUSE_SECONDS = 0.05
MAX_HELD_BYTES = 64_000_000  #: no further message is received while those that were received have more
CLOSE_SECONDS = 5.0  #: time limit of the last settlements at a stop

_log = logging.getLogger("relay")


class _Receipt(NamedTuple):
    """The id of an entry, and the consumer that has received it."""

    entry: str
    consumer: str


class RedisStreams:
    """A consumer group of Redis; see `relay.broker.Broker`.

    Args:
        url: BROKER_URL.
        subscription: the subscription.
        prefetch: maximum number of messages that were received and are not settled.
    """

    is_single_active = False

    def __init__(self, url: str, subscription: Subscription, prefetch: int) -> None:
        self._url = url
        self._address = broker_address(url)
        self._subscription = subscription
        self._prefetch = prefetch
        self._stream, self._group = subscription.topic, subscription.name
        self._reader, self._writer = Session(url), Session(url)
        self._lease = Lease()
        self._pending = Pending(self._reader, self._stream, self._group)
        self._take: Callable[[Received], None]
        self._held: dict[str, int] = {}  # the size of each message that was received and is not settled
        self._held_bytes = 0
        self._room = asyncio.Event()
        self._is_stopping = asyncio.Event()
        self._settlements: Settlements
        self._tasks: set[asyncio.Task[None]] = set()
        self._receiving: asyncio.Task[None] | None = None
        self._settling: asyncio.Task[None] | None = None

    async def start(self, take: Callable[[Received], None]) -> None:
        """See `Broker.start`."""
        redelivery = self._subscription.redelivery
        if redelivery is not None and redelivery.single_active:
            raise CannotRelay(f"--single-active: {NO_PARTITIONS}")
        try:
            await check(self._url, self._writer, self._subscription)
        except CannotRelay:
            await self._writer.close()
            raise
        self._take = take
        self._settlements = Settlements(self._writer, self._stream, self._group, self._lease, self._forget)
        self._lease.begin()
        self._settling = asyncio.create_task(self._settlements.run(self._begin_lease))
        self._receiving = asyncio.create_task(self._receive())
        _log.info("relay_receives queue=%s broker=%s", self._group, self._address)

    async def stop_taking(self) -> None:
        """See `Broker.stop_taking`."""
        self._is_stopping.set()
        self._room.set()
        if self._receiving is not None:
            await asyncio.wait([self._receiving], timeout=CLOSE_SECONDS)
            self._receiving.cancel()  # Redis does not answer
            await self._reader.close()

    async def close(self) -> None:
        """See `Broker.close`."""
        await self.stop_taking()
        if self._settling is None:
            return
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        await self._settlements.flush(CLOSE_SECONDS)
        self._settling.cancel()
        await asyncio.wait([self._settling])
        try:
            remove = ("EVAL", REMOVE_CONSUMER, 1, self._stream, self._group, self._lease.consumer)
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._writer.execute(remove)
        except (exceptions.RedisError, Unsuitable, OSError):
            """Another relay removes the consumer."""
        await self._writer.close()

    def holds(self, received: Received) -> bool:
        """See `Broker.holds`."""
        receipt = cast("_Receipt", received.receipt)
        return receipt.consumer == self._lease.consumer and not self._lease.is_over()

    def acknowledge(self, received: Received) -> None:
        """See `Broker.acknowledge`."""
        if self.holds(received):
            entry = cast("_Receipt", received.receipt).entry
            self._settlements.add(Settlement(entry, received.message_id))
        else:
            _log.warning("acknowledgement_lost message_id=%s: it is delivered again", received.message_id)

    async def return_later(self, received: Received, seconds: float) -> None:
        """See `Broker.return_later`."""
        await self._move(received, seconds, received.attempt)

    async def release(self, received: Received) -> None:
        """See `Broker.release`."""
        await self._move(received, 0, received.attempt - 1)

    async def dead_letter(self, received: Received, attributes: Mapping[str, str]) -> None:
        """See `Broker.dead_letter`."""
        message = received.message._replace(attributes={**received.message.attributes, **attributes})
        fields = wire.fields(message, received.message_id, received.published_at)
        await self._dead_letter(received, fields)

    async def _move(self, received: Received, seconds: float, deliveries: int) -> None:
        if self.holds(received):
            entry, consumer = cast("_Receipt", received.receipt)
            command = self._pending.move(entry, consumer, seconds, deliveries)
            error = await self._settlements.settle(entry, received.message_id, *command)
            if error is not None:
                why = describe_failure(self._address, error)
                _log.error("message_not_returned message_id=%s: %s", received.message_id, why)
                self._forget(entry)

    async def _dead_letter(self, received: Received, fields: tuple[bytes, ...]) -> None:
        if self.holds(received):
            entry, consumer = cast("_Receipt", received.receipt)
            names = (self._stream, DEAD_LETTER_TOPIC, self._group, consumer, entry)
            error = await self._settlements.settle(
                entry, received.message_id, "EVAL", DEAD_LETTER, 2, *names, *fields
            )
            if error is not None:
                why = describe_failure(self._address, error)
                _log.error(
                    "message_not_moved message_id=%s to=%s: %s", received.message_id, DEAD_LETTER_TOPIC, why
                )
                await self._move(received, REFUSED_SECONDS, received.attempt)

    async def _receive(self) -> None:
        """Receive messages until the relay stops; connect again after each loss."""
        while not self._is_stopping.is_set():
            try:
                await self._reader.open()
                await self._pending.release_unknown(self._lease.consumer, set(self._held))
                while not self._is_stopping.is_set():
                    await self._receive_due()
                    await self._receive_new(time.monotonic() + CLAIM_SECONDS)
            except (exceptions.RedisError, Unsuitable, OSError) as error:
                await self._report_loss(error)
            except Exception as error:  # noqa: BLE001 - an error of the relay must not end the receiving
                _log.exception("receiving_crashed")
                await self._report_loss(error)

    async def _receive_due(self) -> None:
        """Receive the messages whose delay is over, and those of dead relays, as far as there is room."""
        while (room := self._free_places()) > 0 and not self._is_stopping.is_set():
            consumer = self._lease.consumer
            entries = await self._pending.claim(consumer, room)
            self._take_entries(consumer, entries)
            if len(entries) < room:
                return

    async def _receive_new(self, until: float) -> None:
        """Receive messages that were never delivered, until the next search for those that are due."""
        while not self._is_stopping.is_set() and (left := until - time.monotonic()) > 0:
            room = self._free_places()
            if room <= 0:
                await self._await_room(left)
                continue
            consumer = self._lease.consumer
            limits = ("COUNT", room, "BLOCK", BLOCK_MILLISECONDS)
            [reply] = await self._reader.execute(
                ("XREADGROUP", "GROUP", self._group, consumer, *limits, "STREAMS", self._stream, ">")
            )
            if isinstance(reply, Exception):
                raise reply
            entries = reply[0][1] if reply else []
            self._take_entries(consumer, [Entry(entry.decode(), fields, 1) for entry, fields in entries])
            if self._subscription.redelivery is None and 0 < len(entries) < room:
                await self._await_stop(READ_PAUSE_SECONDS)

    def _free_places(self) -> int:
        """Return how many messages to receive; 0 until there is room for several."""
        if self._held_bytes > MAX_HELD_BYTES or self._lease.is_over():
            return 0
        room = min(self._prefetch - len(self._held), MAX_READ)
        return room if room == MAX_READ or room >= self._prefetch // 4 else 0

    async def _await_room(self, seconds: float) -> None:
        self._room.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._room.wait()
        except TimeoutError:
            """The next search for messages that are due comes first."""

    def _take_entries(self, consumer: str, entries: list[Entry]) -> None:
        if consumer != self._lease.consumer:
            return  # they were received for a lease that is over
        for entry in entries:
            size = sum(map(len, entry.fields))
            self._held[entry.id] = size
            self._held_bytes += size
            receipt = _Receipt(entry.id, consumer)
            try:
                stored = wire.read(entry.fields)
            except wire.ForeignMessage as error:
                self._dead_letter_foreign(entry, receipt, str(error))
                continue
            wanted = self._subscription.attribute
            if wanted and wanted not in stored.message.attributes:
                self._settlements.add(Settlement(entry.id, stored.message_id))
                continue
            self._take(
                Received(stored.message, stored.message_id, stored.published_at, entry.attempt, receipt)
            )

    def _dead_letter_foreign(self, entry: Entry, receipt: _Receipt, why: str) -> None:
        """Move a message of another program to the dead-letter topic, with its bytes and the reason."""
        _log.error("foreign_message_dead_lettered queue=%s entry=%s: %s", self._group, entry.id, why)
        detail = f"entry {entry.id} of stream {self._stream} is not one of Scrapeq's publishers: {why}"
        attributes = {"reason": "bad_envelope", "detail": detail, "attempt": str(entry.attempt)}
        message = Message(wire.foreign_data(entry.fields), attributes)
        received = Received(message, new_message_id(), time.time(), entry.attempt, receipt)
        task = asyncio.create_task(self.dead_letter(received, {}))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _forget(self, entry: str) -> None:
        self._held_bytes -= self._held.pop(entry, 0)
        self._room.set()

    def _begin_lease(self) -> None:
        """Count all messages as lost, since Redis may give them to another relay."""
        if self._held:
            _log.error("lease_over messages=%s: they are delivered again", len(self._held))
        self._held.clear()
        self._held_bytes = 0
        self._lease.begin()
        self._room.set()

    async def _report_loss(self, error: BaseException) -> None:
        is_unsuitable = isinstance(error, Unsuitable)
        why = f"Redis at {self._address} {error}" if is_unsuitable else describe_failure(self._address, error)
        _log.error("broker_lost: %s; connecting again", why)
        await self._reader.close()
        await self._await_stop(RECONNECT_SECONDS)

    async def _await_stop(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._is_stopping.wait()
        except TimeoutError:
            """The relay goes on."""
