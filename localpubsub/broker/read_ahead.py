"""Reading messages back from the store: many at once, for who waits for one will want those that follow."""

import asyncio
from typing import Final

from localpubsub.broker.subscription import READ_AHEAD, Subscription
from localpubsub.errors import StoreFailure
from localpubsub.log_throttle import LogThrottle
from localpubsub.storage.journal import Journal

READ_AHEAD_BYTES: Final = 1_000_000  #: bytes of messages read from the store at once, about


async def read_record(
    journal: Journal, failures: LogThrottle, subscription: Subscription, message_id: int
) -> bytes | None:
    """The encoded message, read with those that come after it; None when it is gone. StoreFailure."""
    subscription.missing[message_id] = None
    try:
        while subscription.reading is not None:
            await asyncio.wait([subscription.reading])
            if message_id in subscription.read_ahead:
                return subscription.read_ahead.pop(message_id)
        await asyncio.shield(_read(journal, subscription, message_id))
        return subscription.read_ahead.pop(message_id, None)
    except StoreFailure as failure:
        failures.error(f"{subscription.name} cannot read message {message_id}", failure)
        raise
    finally:
        del subscription.missing[message_id]


def _read(journal: Journal, subscription: Subscription, message_id: int) -> asyncio.Future[dict[int, bytes]]:
    """Read this message, all others that somebody waits for, and those to be delivered next."""
    following = (*subscription.missing, *subscription.backlog.upcoming(READ_AHEAD))
    wanted = [message_id, *(each for each in following if each not in subscription.read_ahead)]
    subscription.reading = journal.run(lambda store: store.read(wanted, READ_AHEAD_BYTES))
    subscription.reading.add_done_callback(subscription.finish_read)
    return subscription.reading
