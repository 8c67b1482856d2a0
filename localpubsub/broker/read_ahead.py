"""Reads messages from the store; each read also fetches the messages that will be delivered next."""

import asyncio
from typing import Final

from localpubsub.broker.subscription import READ_AHEAD, Subscription
from localpubsub.errors import StoreFailure
from localpubsub.log_throttle import LogThrottle
from localpubsub.storage.journal import Journal

READ_AHEAD_BYTES: Final = 1_000_000  #: Total bytes of messages at which one read stops.


async def read_record(
    journal: Journal, throttle: LogThrottle, subscription: Subscription, message_id: int
) -> bytes | None:
    """Return the record of a message, or None if it no longer exists.

    Raises:
        StoreFailure: the message could not be read.
    """
    subscription.awaited_records[message_id] = None
    try:
        while subscription.pending_read is not None:
            await asyncio.wait([subscription.pending_read])
            if message_id in subscription.read_ahead:
                return subscription.read_ahead.pop(message_id)
        await asyncio.shield(_read(journal, subscription, message_id))
        return subscription.read_ahead.pop(message_id, None)
    except StoreFailure as failure:
        throttle.error(f"{subscription.name} cannot read message {message_id}", failure)
        raise
    finally:
        del subscription.awaited_records[message_id]


def _read(journal: Journal, subscription: Subscription, message_id: int) -> asyncio.Future[dict[int, bytes]]:
    """Read this message, other messages that consumers await, and the messages to be delivered next."""
    following = (*subscription.awaited_records, *subscription.backlog.upcoming(READ_AHEAD))
    wanted = [message_id, *(each for each in following if each not in subscription.read_ahead)]
    subscription.pending_read = journal.run(lambda store: store.read(wanted, READ_AHEAD_BYTES))
    subscription.pending_read.add_done_callback(subscription.finish_read)
    return subscription.pending_read
