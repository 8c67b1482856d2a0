"""Reads messages from the store; each read also fetches the messages that will be delivered next."""

import asyncio
from collections import Counter
from typing import Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf publishes no types

from localpubsub.backlog.backlog import Backlog
from localpubsub.errors import StoreFailure
from localpubsub.log_throttle import LogThrottle
from localpubsub.protocol.messages import PubsubMessage
from localpubsub.storage.journal import Journal

#: Number of further messages that one read from the store fetches ahead of their delivery.
READ_AHEAD: Final = 256
READ_AHEAD_BYTES: Final = 1_000_000  #: Total bytes of messages at which one read stops.


class ReadAhead:
    """The records of one subscription that were read before their delivery; one read runs at a time."""

    def __init__(self) -> None:
        self._records: dict[int, bytes] = {}
        #: Ids of the leased messages whose records consumers await. After a seek, two consumers may await the
        #: same message. A Counter keeps the order.
        self._awaited: Counter[int] = Counter()
        self._reading: asyncio.Future[dict[int, bytes]] | None = None

    async def read(
        self, journal: Journal, throttle: LogThrottle, name: str, backlog: Backlog, message_id: int
    ) -> bytes | None:
        """Return the record of a leased message, or None if it no longer exists.

        Args:
            journal: reads from the store.
            throttle: limits the rate of logged errors.
            name: the subscription's name, for the log.
            backlog: contains the messages that will be delivered next.
            message_id: id of the message.

        Raises:
            StoreFailure: the message could not be read or decoded.
        """
        self._awaited[message_id] += 1
        try:
            while (record := self._records.pop(message_id, None)) is None and self._reading is not None:
                await asyncio.wait([self._reading])
            if record is not None:
                return record
            # A cancelled consumer must not cancel the read, which other consumers await.
            records = await asyncio.shield(self._start(journal, backlog, message_id))
        except StoreFailure as failure:
            throttle.error(f"{name} cannot read message {message_id}", failure)
            raise
        finally:
            self._awaited[message_id] -= 1
            if not self._awaited[message_id]:
                del self._awaited[message_id]
        self._records.pop(message_id, None)
        return records.get(message_id)

    def _start(self, journal: Journal, backlog: Backlog, message_id: int) -> asyncio.Future[dict[int, bytes]]:
        """Read this message, other messages that consumers await, and the messages to be delivered next."""
        following = (*self._awaited, *backlog.upcoming(READ_AHEAD))
        wanted = [message_id, *(each for each in following if each not in self._records)]
        self._reading = journal.run(
            lambda store: _decodable(store.read(wanted, READ_AHEAD_BYTES), message_id)
        )
        self._reading.add_done_callback(self._finish)
        return self._reading

    def _finish(self, read: asyncio.Future[dict[int, bytes]]) -> None:
        self._reading = None
        if not read.cancelled() and read.exception() is None:
            if len(self._records) > READ_AHEAD:
                self._records.clear()  # otherwise the records of removed messages would accumulate
            self._records.update(read.result())


def _decodable(records: dict[int, bytes], awaited: int) -> dict[int, bytes]:
    """Return the records that are messages; raise StoreFailure if that of the awaited message is none."""
    found = {}
    for message_id, record in records.items():
        try:
            PubsubMessage.FromString(record)
        except DecodeError as error:
            if message_id == awaited:
                raise StoreFailure(f"localpubsub could not decode message {message_id}: {error}.") from error
        else:
            found[message_id] = record
    return found
