"""Receives messages from a queue of AWS SQS as long as there is room for them.

SQS charges each receive, also one that finds nothing. So several receives are open while messages arrive, and
after a receive that found nothing only one, which waits as long as SQS allows.

boto3 is synchronous, so a thread makes each request.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, cast

from publishing.sqs.queues import Queues, SqsError
from relay.sqs.leases import LEASE_SECONDS

MAX_RECEIVES = 4  #: receives at the same time, while messages arrive
MAX_RECEIVED = 10  #: SQS's limit of messages of a receive
#: How long a receive waits for messages while messages arrive. A relay that stops waits for its end, because
#: a message that arrives in it would be invisible for `LEASE_SECONDS`.
BUSY_WAIT_SECONDS = 5
#: How long the only receive waits while none arrive; SQS's maximum. A relay that stops abandons it; SQS goes
#: on with it, so a message that arrives in it is invisible for `LEASE_SECONDS`.
IDLE_WAIT_SECONDS = 20
STOP_SECONDS = BUSY_WAIT_SECONDS + 1.0  #: how long a relay that stops waits for open receives
RETRY_SECONDS = 1.0  #: pause after a failed receive

_log = logging.getLogger("relay")


class Receives:
    """The receives of one queue.

    Args:
        queues: the queues.
        queue: the name of the queue.
        prefetch: maximum number of messages that are held.
        held: returns how many messages are held.
    """

    def __init__(self, queues: Queues, queue: str, prefetch: int, held: Callable[[], int]) -> None:
        self._queues = queues
        self._queue = queue
        self._prefetch = prefetch
        self._held = held
        #: A receive begins when this many messages fit: SQS charges each, however few messages it returns.
        self._least_room = max(1, min(MAX_RECEIVED, prefetch // 2))
        self._asked_for = 0
        self._has_room = asyncio.Event()
        self._is_busy = asyncio.Event()  # whether the last receive that ended has found messages
        self._trouble = ""
        self._is_stopping = False
        self._loops = list[asyncio.Task[None]]()
        self._take: Callable[[dict[str, Any], float], None]

    async def start(self, take: Callable[[dict[str, Any], float], None]) -> None:
        """Receive what is in the queue, and begin to receive what arrives.

        Args:
            take: gets each message, and when the relay asked for it in monotonic seconds.

        Raises:
            SqsError: the first receive failed.
        """
        self._take = take
        await self._receive(min(MAX_RECEIVED, self._prefetch), 0)
        self._is_busy.set()
        self._log_start()
        count = max(1, min(MAX_RECEIVES, self._prefetch // (2 * MAX_RECEIVED)))
        self._loops = [asyncio.create_task(self._loop(is_first=not number)) for number in range(count)]

    def stop(self) -> None:
        """Begin no further receive."""
        self._is_stopping = True
        self._has_room.set()
        self._is_busy.set()

    async def close(self) -> None:
        """Stop, and wait `STOP_SECONDS` for the open receives."""
        self.stop()
        if self._loops:
            await asyncio.wait(self._loops, timeout=STOP_SECONDS)
        for each in self._loops:
            each.cancel()

    def note_room(self) -> None:
        """Receive further messages, since fewer are held."""
        self._has_room.set()

    async def _loop(self, *, is_first: bool) -> None:
        """Receive messages; only the first loop does while none arrive."""
        while not self._is_stopping:
            if not (is_first or self._is_busy.is_set()):
                await self._is_busy.wait()
                continue
            room = self._prefetch - self._held() - self._asked_for
            if room < self._least_room:
                self._has_room.clear()
                await self._has_room.wait()
                continue
            wait_seconds = BUSY_WAIT_SECONDS if self._is_busy.is_set() else IDLE_WAIT_SECONDS
            try:
                await self._receive(min(room, MAX_RECEIVED), wait_seconds)
            except SqsError as error:
                self._report(str(error))
                await asyncio.sleep(RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001 - an error of the relay: the messages come again
                _log.exception("receive_crashed queue=%s error=%s", self._queue, error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._report("")

    async def _receive(self, count: int, wait_seconds: int) -> None:
        asked_at = time.monotonic()
        messages = list[dict[str, Any]]()
        self._asked_for += count
        try:
            answer = await _in_daemon_thread(
                lambda: self._queues.call(
                    "receive_message",
                    self._queue,
                    MaxNumberOfMessages=count,
                    WaitTimeSeconds=wait_seconds,
                    VisibilityTimeout=LEASE_SECONDS,
                    MessageSystemAttributeNames=["ApproximateReceiveCount"],
                )
            )
            messages = cast("list[dict[str, Any]]", answer.get("Messages", []))
        finally:
            self._asked_for -= count
            if messages or self._is_stopping:
                self._is_busy.set()
            else:
                self._is_busy.clear()
        for message in messages:
            self._take(message, asked_at)

    def _log_start(self) -> None:
        _log.info("relay_receives queue=%s broker=%s", self._queue, self._queues.address)

    def _report(self, trouble: str) -> None:
        if trouble and not self._trouble:
            _log.error("broker_lost: %s; trying again", trouble)
        elif self._trouble and not trouble:
            self._log_start()
        self._trouble = trouble


async def _in_daemon_thread(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result of a call. Unlike an executor's, its thread does not keep the process from ending."""
    done = Future[dict[str, Any]]()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            done.set_exception(error)

    Thread(target=run, name="sqs-receive", daemon=True).start()
    return await asyncio.wrap_future(done)
