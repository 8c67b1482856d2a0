"""Receives the messages of a queue of AWS SQS, and settles them.

- The attempt is SQS's `ApproximateReceiveCount`, which every receive raises. A copy carries the number of
  deliveries before it (`publishing/sqs/wire.py`).
- A message that is returned for a further attempt becomes visible after its delay.
- A message that is released from a standard queue is sent again as a copy, with one attempt less, and deleted
  after SQS has confirmed that. If the relay ends in between, the message is there twice, with the same id. In
  a FIFO queue the copy would come after later messages, so the message becomes visible at once, and the
  attempt counts.
- A dead letter is sent to the queues of the dead-letter topic, and then deleted.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, cast

from contract.topology import DEAD_LETTER_TOPIC
from publishing.publisher import Message
from publishing.sqs import wire
from publishing.sqs.batches import Batches, Entry
from publishing.sqs.queues import Queues, SqsError
from publishing.sqs.sender import Sender, subscriptions_of
from relay.broker import CannotRelay, Received
from relay.sqs.leases import LEASE_SECONDS, Lease, Leases
from relay.sqs.receives import Receives
from relay.sqs.topology import check
from relay.subscriptions import Subscription

MAX_REQUESTS = 4  #: requests at the same time that delete messages; as many change visibility timeouts
LINGER_SECONDS = 0.05  #: how long the first of many messages waits to be settled together with others
RETRY_SECONDS = 1.0  #: pause after a failed deletion
CLOSE_SECONDS = 10.0  #: time limit of the requests that are under way at the end

_log = logging.getLogger("relay")


class Sqs:
    """A queue of SQS; see `relay.broker.Broker`.

    Args:
        url: BROKER_URL.
        subscription: the subscription.
        prefetch: maximum number of messages that were received and are not settled.
    """

    is_single_active = False

    def __init__(self, url: str, subscription: Subscription, prefetch: int) -> None:
        self._queues = Queues(url)
        self._subscription = subscription
        self._queue = self._queues.name(subscription.name)
        self._sender = Sender(self._queues)
        self._deletions = self._batches("delete_message_batch")
        self._leases = Leases(self._batches("change_message_visibility_batch"))
        self._receives = Receives(self._queues, self._queue, prefetch, self._leases.__len__)
        self._take: Callable[[Received], None]
        self._is_stopping = False
        self._extensions: asyncio.Task[None] | None = None
        self._tasks = set[asyncio.Task[None]]()

    async def start(self, take: Callable[[Received], None]) -> None:
        """See `Broker.start`."""
        await asyncio.to_thread(check, self._queues, self._subscription)
        self._take = take
        self._extensions = asyncio.create_task(self._leases.extend_forever())
        try:
            await self._receives.start(self._on_message)
        except SqsError as error:
            raise CannotRelay(str(error)) from None

    async def stop_taking(self) -> None:
        """See `Broker.stop_taking`. A message that still arrives is released."""
        self._is_stopping = True
        self._receives.stop()

    async def close(self) -> None:
        """See `Broker.close`."""
        await self.stop_taking()
        await self._receives.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        for task in [*self._tasks, *filter(None, [self._extensions])]:
            task.cancel()
        self._queues.close()

    def holds(self, received: Received) -> bool:
        """See `Broker.holds`."""
        lease = cast("Lease", received.receipt)
        if not lease.is_valid:
            self._give_up(lease)
        return lease.is_valid

    def acknowledge(self, received: Received) -> None:
        """See `Broker.acknowledge`."""
        lease = cast("Lease", received.receipt)
        self._give_up(lease)
        self._begin(self._delete(lease, received.message_id))

    async def return_later(self, received: Received, seconds: float) -> None:
        """See `Broker.return_later`."""
        await self._make_visible(received, math.ceil(seconds))

    async def release(self, received: Received) -> None:
        """See `Broker.release`."""
        if self._queue.endswith(".fifo"):
            await self._make_visible(received, 0)
            return
        lease = cast("Lease", received.receipt)
        copy = wire.StoredMessage(
            received.message, received.message_id, received.published_at, received.attempt - 1
        )
        await self._move(lease, [self._queue], copy)

    async def dead_letter(self, received: Received, attributes: Mapping[str, str]) -> None:
        """See `Broker.dead_letter`."""
        lease = cast("Lease", received.receipt)
        message = received.message._replace(attributes={**received.message.attributes, **attributes})
        copy = wire.StoredMessage(message, received.message_id, time.time(), 0)
        await self._move(lease, self._dead_letter_queues(), copy)

    def _batches(self, action: str) -> Batches:
        return Batches(
            self._queues,
            self._queue,
            action,
            max_requests=MAX_REQUESTS,
            linger_seconds=LINGER_SECONDS,
        )

    def _on_message(self, found: dict[str, Any], asked_at: float) -> None:
        receives = int(found["Attributes"]["ApproximateReceiveCount"])
        lease = self._leases.add(found["ReceiptHandle"], asked_at)
        try:
            stored = wire.read(found["Body"])
        except wire.ForeignMessage as error:
            self._begin(self._dead_letter_foreign(lease, found, str(error)))
            return
        attempt = stored.earlier_attempts + receives
        received = Received(stored.message, stored.message_id, stored.published_at, attempt, lease)
        if self._is_stopping:
            self._begin(self.release(received))
        else:
            self._take(received)

    async def _dead_letter_foreign(self, lease: Lease, found: dict[str, Any], why: str) -> None:
        """Move a message of another program to the dead-letter topic, with its text and the reason."""
        detail = f"the message in queue {self._queue} is not one of Scrapeq's publishers: {why}"
        _log.error("foreign_message_dead_lettered queue=%s: %s", self._queue, why)
        attributes = {"reason": "bad_envelope", "detail": detail, "attempt": "1"}
        message = Message(wire.foreign_data(found["Body"]), attributes)
        # The id of SQS, so that the dead letter has the same one if it is sent twice.
        copy = wire.StoredMessage(message, found["MessageId"].replace("-", ""), time.time(), 0)
        await self._move(lease, self._dead_letter_queues(), copy)

    def _dead_letter_queues(self) -> list[str]:
        return [self._queues.name(each) for each in subscriptions_of(DEAD_LETTER_TOPIC, {})]

    async def _move(self, lease: Lease, queues: list[str], copy: wire.StoredMessage) -> None:
        """Send a copy of a message to some queues, and delete the message after SQS has confirmed them."""
        if not lease.is_valid:
            self._give_up(lease)  # it is visible again, or another relay has it
            return
        try:
            body, name = wire.write_copy(copy), copy.message_id
            # Dead letters need no order: each is a group of its own (publishing/sqs/publisher.py).
            entries = {queue: self._sender.entry(queue, body, name, name) for queue in queues}
            for queue, entry in entries.items():
                self._sender.send(queue, [entry])
            for entry in entries.values():
                await asyncio.wrap_future(entry.done)
        except (SqsError, wire.TooLarge) as error:
            _log.error("message_not_moved message_id=%s to=%s: %s", copy.message_id, queues, error)
            self._give_up(lease)  # it comes again when the lease ends
        else:
            self._give_up(lease)
            await self._delete(lease, copy.message_id)

    async def _delete(self, lease: Lease, message_id: str) -> None:
        while True:
            entry = Entry({"ReceiptHandle": lease.handle})
            self._deletions.add([entry])
            try:
                await asyncio.wrap_future(entry.done)
            except SqsError as error:
                if not error.is_transient or time.monotonic() + RETRY_SECONDS > lease.expires_at:
                    _log.warning(
                        "acknowledgement_lost message_id=%s: it is delivered again: %s", message_id, error
                    )
                    return
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _make_visible(self, received: Received, seconds: int) -> None:
        lease = cast("Lease", received.receipt)
        try:
            if lease.is_valid:
                await self._leases.change(lease, seconds)
        except SqsError as error:
            _log.error(
                "message_not_returned message_id=%s: it comes again within %s s: %s",
                received.message_id,
                LEASE_SECONDS,
                error,
            )
        finally:
            self._give_up(lease)

    def _give_up(self, lease: Lease) -> None:
        """Hold a message no longer."""
        self._leases.remove(lease)
        self._receives.note_room()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
