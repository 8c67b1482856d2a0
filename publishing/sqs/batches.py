"""Sends what several threads want of a queue in batches: the actions SendMessageBatch and its like.

An entry is sent at once if few requests are under way. Otherwise it waits, and the next request has all that
wait, up to 10. So a process that does much needs few requests, and one that does little waits for nothing.
"""

import time
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Any

from publishing.sqs.queues import Place, Queues, SqsError, explain_answer
from publishing.sqs.wire import MAX_BODY_BYTES

MAX_ENTRIES = 10  #: SQS's limit of a batch


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """An entry of a batch.

    Attributes:
        fields: its fields, without `Id`.
        size: bytes of its body; 0 if it has none.
        group: entries of the same group are sent in their order; `""` if the entry may be sent in any order.
        done: has a result when SQS has confirmed the entry, or else an `SqsError`. An entry whose future was
            cancelled before it was sent is not sent.
    """

    fields: dict[str, object]
    size: int = 0
    group: str = ""
    done: Future[None] = field(default_factory=Future)


class Batches:
    """The entries of one action and one queue.

    Args:
        queues: makes the requests.
        queue: the name of the queue.
        action: the action's name in boto3, for example `send_message_batch`.
        max_requests: number of requests at the same time; 1 if the order of groups matters.
        linger_seconds: how long the first of many entries waits for others.
    """

    def __init__(
        self,
        queues: Queues,
        queue: str,
        action: str,
        *,
        max_requests: int,
        linger_seconds: float = 0,
    ) -> None:
        self._queues = queues
        self._queue = queue
        self._action = action
        self._max_requests = max_requests
        self._linger_seconds = linger_seconds
        self._lock = Lock()
        self._waiting = deque[Entry]()
        self._threads = 0
        self._starting = 0  # threads that have not yet looked for entries

    def add(self, entries: Iterable[Entry]) -> None:
        """Send entries soon; does not wait. Each entry's `done` tells how it ended."""
        with self._lock:
            self._waiting.extend(entries)
            wanted = -(-len(self._waiting) // MAX_ENTRIES) - self._starting
            new = max(0, min(wanted, self._max_requests - self._threads))
            self._threads += new
            self._starting += new
        for _ in range(new):
            Thread(target=self._send_while_waiting, name="sqs-batches", daemon=True).start()

    def _send_while_waiting(self) -> None:
        if self._linger_seconds:
            time.sleep(self._linger_seconds)
        with self._lock:
            self._starting -= 1
        while batch := self._take():
            self._send(batch)

    def _take(self) -> list[Entry]:
        """Return the entries of the next request; none if this thread is no longer needed."""
        batch, size = list[Entry](), 0
        with self._lock:
            while self._waiting and len(batch) < MAX_ENTRIES:
                size += self._waiting[0].size
                if batch and size > MAX_BODY_BYTES:
                    break
                entry = self._waiting.popleft()
                if entry.done.set_running_or_notify_cancel():
                    batch.append(entry)
                else:
                    size -= entry.size
            if not batch:
                self._threads -= 1
        return batch

    def _send(self, batch: list[Entry]) -> None:
        numbered = [{"Id": str(number), **entry.fields} for number, entry in enumerate(batch)]
        try:
            errors = self._errors(self._queues.call(self._action, self._queue, Entries=numbered))
        except SqsError as error:
            errors = {str(number): error for number in range(len(batch))}
        except Exception as error:  # noqa: BLE001 - whoever waits for an entry must hear of every error
            failure = SqsError(f"{type(error).__name__} {error}")
            errors = {str(number): failure for number in range(len(batch))}
        for number, entry in enumerate(batch):
            failed = errors.get(
                str(number), SqsError("SQS did not mention it in its answer", is_transient=True)
            )
            if failed is None:
                entry.done.set_result(None)
            else:
                self._fail_group(entry.group)
                entry.done.set_exception(failed)

    def _errors(self, answer: Mapping[str, Any]) -> dict[str, SqsError | None]:
        """Return for each entry of an answer its error, or None."""
        place = Place(self._queues.address, self._queue, self._action)
        errors: dict[str, SqsError | None] = {each["Id"]: None for each in answer.get("Successful", [])}
        for each in answer.get("Failed", []):
            is_servers_fault = not each.get("SenderFault", False)
            errors[each["Id"]] = explain_answer(each, place, is_servers_fault=is_servers_fault)
        return errors

    def _fail_group(self, group: str) -> None:
        """Send none of the later entries of a group before the one that has failed."""
        if not group:
            return
        with self._lock:
            later = [entry for entry in self._waiting if entry.group == group]
            self._waiting = deque(entry for entry in self._waiting if entry.group != group)
        for entry in later:
            if entry.done.set_running_or_notify_cancel():
                entry.done.set_exception(
                    SqsError("an earlier message of its ordering key failed", is_transient=True)
                )
