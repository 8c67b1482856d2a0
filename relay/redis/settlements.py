"""Settles messages: sends what is due to Redis together, and again after a lost connection.

A settlement that Redis has not confirmed is repeated until the lease is over. Then the message may belong to
another relay, which delivers it again.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from redis import exceptions

from publishing.redis.connection import describe_failure, is_transient
from relay.redis.lease import HEARTBEAT_SECONDS, Lease
from relay.redis.scripts import ACKNOWLEDGE
from relay.redis.session import Command, Session, Unsuitable

RETRY_SECONDS = 0.5  #: pause before settlements are sent again after the connection was lost
MAX_BATCH = 500  #: maximum number of settlements that are sent together
#: An id that no message has. To read the consumer's own messages after it returns nothing, and is what Redis
#: counts as a sign of life (https://redis.io/docs/latest/commands/xinfo-consumers/).
AFTER_ALL = "18446744073709551615-0"

_log = logging.getLogger("relay")


class Settlement(NamedTuple):
    """A settlement that Redis has not confirmed yet.

    Attributes:
        entry: the id of the entry.
        message_id: the id of the message, for the log.
        command: what settles it; an empty one acknowledges it.
        done: becomes the error of Redis, or None if it is settled; None if nobody waits.
    """

    entry: str
    message_id: str
    command: Command = ()
    done: asyncio.Future[Exception | None] | None = None


class Settlements:
    """The settlements of one subscription.

    Args:
        session: the connection.
        stream: the topic.
        group: the subscription.
        lease: says until when settlements are repeated.
        forget: is called with the id of each entry that is settled, or that no longer belongs to the relay.
    """

    def __init__(
        self,
        session: Session,
        stream: str,
        group: str,
        lease: Lease,
        forget: Callable[[str], None],
    ) -> None:
        self._session = session
        self._stream = stream
        self._group = group
        self._lease = lease
        self._forget = forget
        self._waiting: dict[str, Settlement] = {}
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def add(self, settlement: Settlement) -> None:
        """Settle a message in this turn of the event loop, or as soon as there is a connection."""
        self._waiting[settlement.entry] = settlement
        self._empty.clear()
        self._wake.set()

    async def settle(self, entry: str, message_id: str, *command: str | bytes | int) -> Exception | None:
        """Settle a message; return None once it is settled or lost, or the error of Redis."""
        done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.add(Settlement(entry, message_id, command, done))
        return await done

    async def run(self, lease_is_over: Callable[[], None]) -> None:
        """Send settlements and heartbeats until the task is cancelled.

        Args:
            lease_is_over: is called after the lease has ended, and its messages were forgotten.
        """
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                """A heartbeat is due."""
            if self._lease.is_over():
                self._drop_all()
                lease_is_over()
            try:
                await self._send()
            except (exceptions.RedisError, Unsuitable, OSError):
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - an error must not end the settlements of other messages
                _log.exception("settlements_crashed")
                await asyncio.sleep(RETRY_SECONDS)

    async def flush(self, seconds: float) -> None:
        """Wait until everything is settled, for at most some seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            self._drop_all()

    async def _send(self) -> None:
        batch = list(self._waiting.values())[:MAX_BATCH]
        acknowledged = [each for each in batch if not each.command]
        groups = [acknowledged] if acknowledged else []
        groups += [[each] for each in batch if each.command]
        commands = [group[0].command or self._acknowledge(group) for group in groups]
        is_heartbeat = self._lease.heartbeat_is_due()
        if is_heartbeat:
            commands.append(self._heartbeat())
        if not commands:
            self._wake.clear()
            return
        sent_at = time.monotonic()
        replies = await self._session.execute(*commands)
        if is_heartbeat and not isinstance(replies.pop(), Exception):
            self._lease.renew(sent_at)
        is_refused = False
        for group, reply in zip(groups, replies, strict=True):
            is_full = isinstance(
                reply, exceptions.OutOfMemoryError
            )  # the message stays, and is settled later
            if isinstance(reply, Exception) and is_transient(reply) and not is_full:
                is_refused = True
                continue
            for each in group:
                self._end(each, reply if isinstance(reply, Exception) else None)
        if not self._waiting:
            self._wake.clear()
        if is_refused:  # for example a primary that has become a replica
            await self._session.close()
            await asyncio.sleep(RETRY_SECONDS)

    def _acknowledge(self, settlements: list[Settlement]) -> Command:
        ids = (each.entry for each in settlements)
        return ("EVAL", ACKNOWLEDGE, 1, self._stream, self._group, *ids)

    def _heartbeat(self) -> Command:
        names = (self._group, self._lease.consumer)
        return ("XREADGROUP", "GROUP", *names, "COUNT", 1, "STREAMS", self._stream, AFTER_ALL)

    def _end(self, settlement: Settlement, error: Exception | None) -> None:
        if self._waiting.get(settlement.entry) is settlement:
            del self._waiting[settlement.entry]
        if error is not None and settlement.done is None:
            why = describe_failure(self._session.address, error)
            _log.error("acknowledgement_failed message_id=%s: %s", settlement.message_id, why)
        if error is None or settlement.done is None:
            self._forget(settlement.entry)
        if settlement.done is not None and not settlement.done.done():
            settlement.done.set_result(error)
        if not self._waiting:
            self._empty.set()

    def _drop_all(self) -> None:
        """Give up what was not confirmed: the messages are delivered again."""
        for each in list(self._waiting.values()):
            event = "settlement_lost" if each.command else "acknowledgement_lost"
            _log.warning("%s message_id=%s: it is delivered again", event, each.message_id)
            self._end(each, None)
