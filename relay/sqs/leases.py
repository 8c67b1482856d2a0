"""Keeps the messages that a relay has received from SQS invisible to others, for as long as it holds them.

A message that was received stays in its queue, invisible for the visibility timeout. The relay extends that
while it holds the message. If the relay is killed, the message comes again when the timeout ends.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
"""

import asyncio
import logging
import time
from dataclasses import dataclass

from publishing.sqs.batches import Batches, Entry
from publishing.sqs.queues import SqsError

LEASE_SECONDS = 30  #: the visibility timeout; a message of a killed relay comes again after at most this time
CHECK_SECONDS = 5.0  #: how often the leases are checked
#: Remaining time from which on a lease is extended: three attempts fit into it.
EXTEND_SECONDS = 20.0

_log = logging.getLogger("relay")


@dataclass(slots=True, eq=False)
class Lease:
    """The relay's right to settle a message.

    Attributes:
        handle: the receipt handle.
        expires_at: until when no other relay gets the message, monotonic seconds.
        extension: the task that extends it at present.
    """

    handle: str
    expires_at: float
    extension: asyncio.Task[None] | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the message belongs to this relay."""
        return time.monotonic() < self.expires_at


class Leases:
    """The leases of the messages that a relay holds.

    Args:
        visibility: changes the visibility timeouts of messages.
    """

    def __init__(self, visibility: Batches) -> None:
        self._visibility = visibility
        self._held = set[Lease]()

    def __len__(self) -> int:
        """Return how many messages are held."""
        return len(self._held)

    def add(self, handle: str, asked_at: float) -> Lease:
        """Begin to hold a message that was received.

        Args:
            handle: the receipt handle.
            asked_at: when the relay asked for messages, monotonic seconds; the timeout begins after it.
        """
        lease = Lease(handle, asked_at + LEASE_SECONDS)
        self._held.add(lease)
        return lease

    def remove(self, lease: Lease) -> None:
        """Extend a lease no further."""
        self._held.discard(lease)

    async def change(self, lease: Lease, seconds: int) -> None:
        """Make a message visible in some seconds, and hold it no longer.

        Raises:
            SqsError: if SQS does not confirm it.
        """
        self.remove(lease)
        if lease.extension is not None:
            await asyncio.wait([lease.extension])  # two requests at the same time would have no order
        await self._request(lease, seconds)

    async def extend_forever(self) -> None:
        """Extend the leases again and again, until this task is cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            latest = time.monotonic() + EXTEND_SECONDS
            for lease in self._held:
                if lease.is_valid and lease.expires_at < latest and lease.extension is None:
                    lease.extension = asyncio.create_task(self._extend(lease))

    async def _extend(self, lease: Lease) -> None:
        began = time.monotonic()
        try:
            await self._request(lease, LEASE_SECONDS)
        except SqsError as error:
            _log.warning("lease_not_extended: %s", error)
            if not error.is_transient:
                lease.expires_at = began
        else:
            lease.expires_at = began + LEASE_SECONDS
        finally:
            lease.extension = None

    async def _request(self, lease: Lease, seconds: int) -> None:
        entry = Entry({"ReceiptHandle": lease.handle, "VisibilityTimeout": seconds})
        self._visibility.add([entry])
        await asyncio.wrap_future(entry.done)
