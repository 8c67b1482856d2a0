"""Implements group commit: all changes made while a transaction is being written go into the next one.

The event loop adds changes to ``journal.next``, and one thread writes one transaction at a time. A caller
that needs a confirmation awaits ``commit()``. Changes that no caller waits for, for example acks, are written
after ``COMMIT_DELAY`` at the latest, together with all changes added until then.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Final, TypeVar

from localpubsub.errors import StoreFailure
from localpubsub.storage.store import Store
from localpubsub.storage.transaction import Transaction

Result = TypeVar("Result")

#: Seconds after which changes are written that no caller waits for. If the process is killed before that, the
#: messages acknowledged in that time are delivered again.
COMMIT_DELAY: Final = 0.01
#: Seconds that one slice of an operation on many rows should take; other transactions wait this long.
SLICE_SECONDS: Final = 0.005
MAX_PAUSE: Final = 0.1  #: Maximum seconds between two slices.
FIRST_SLICE_ROWS: Final = 256  #: Number of rows of the first slice of an operation.
MIN_SLICE_ROWS: Final = 16  #: Minimum number of rows of a slice, even if the disk is slow.
MAX_SLICE_ROWS: Final = 4096  #: Maximum number of rows of a slice.

_log = logging.getLogger("localpubsub.storage.journal")


@dataclass(frozen=True, slots=True)
class _Changes:
    """A transaction, and the future that its callers await."""

    transaction: Transaction
    confirmation: asyncio.Future[None]


class Journal:
    """The only access to the store while the server runs. All methods are called on the event loop."""

    def __init__(
        self,
        store: Store,
        on_written: Callable[[Transaction], None],
        on_failed: Callable[[Transaction], None],
    ) -> None:
        """Create the journal; its thread starts with the first job.

        Args:
            store: from the first job on, only the thread uses it.
            on_written: called with each written transaction, before ``commit()`` returns.
            on_failed: called with each transaction that could not be written, before ``commit()`` raises
                StoreFailure.
        """
        self.next = Transaction()  #: Changes for the next transaction.
        self.max_pause = MAX_PAUSE  #: Maximum seconds between two slices.
        self.first_slice_rows = FIRST_SLICE_ROWS  #: Number of rows of the first slice of an operation.
        self._store = store
        self._on_written = on_written
        self._on_failed = on_failed
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: Thread | None = None
        #: Set once ``next`` is on disk.
        self._confirmation: asyncio.Future[None] = self._loop.create_future()
        #: The confirmation of the transaction that is being written, if any.
        self._writing: asyncio.Future[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._urgent = False
        self._closed = False

    async def commit(self) -> None:
        """Return once all changes added so far are on disk; StoreFailure if they could not be written."""
        if self.next.empty():
            if self._writing is not None:
                await asyncio.shield(self._writing)
            return
        if not self._urgent:
            self._urgent = True
            if self._timer is not None:
                self._timer.cancel()
            # The write begins after this iteration of the event loop, so that it includes the changes of all
            # requests that the iteration handles.
            self._timer = self._loop.call_soon(self._flush)
        # Other callers await the same future, so a cancelled caller must not cancel it.
        await asyncio.shield(self._confirmation)

    async def commit_or(self, undo: Callable[[], None], done: Callable[[], None] = lambda: None) -> None:
        """Commit; once the changes are on disk call ``done``, or if that fails ``undo``, which must not fail.

        Exactly one of the two is called, before this method returns or raises StoreFailure, and also if the
        caller is cancelled. ``undo`` must restore the state in memory from before the change. The changes of
        one transaction are undone in reverse order. A transaction that fails also fails the next one, which
        may depend on its changes: for example, it may contain a subscription to a topic that is undone.
        """
        self.next.undo.append(undo)
        self.next.done.append(done)
        await self.commit()

    def commit_soon(self) -> None:
        """Write all changes added so far, without a confirmation, after ``COMMIT_DELAY`` at the latest."""
        if self._timer is None:
            self._timer = self._loop.call_later(COMMIT_DELAY, self._flush)

    async def slice(self, job: Callable[[sqlite3.Connection, int], Result], rows: int) -> tuple[Result, int]:
        """Let ``job(connection, rows)`` change up to this number of rows, in one transaction.

        The return is delayed by the time that this took, which leaves half of the thread's time to others.

        Returns:
            The job's result, and how many rows the next slice should have to take about ``SLICE_SECONDS``.
        """

        def work(store: Store) -> tuple[Result, float]:
            started = time.monotonic()
            return store.change(lambda connection: job(connection, rows)), time.monotonic() - started

        started = self._loop.time()
        result, seconds = await self.run(work)
        await asyncio.sleep(min(self.max_pause, self._loop.time() - started))
        factor = min(2.0, max(0.25, SLICE_SECONDS / max(seconds, 1e-6)))
        return result, min(MAX_SLICE_ROWS, max(MIN_SLICE_ROWS, int(rows * factor)))

    def run(self, job: Callable[[Store], Result]) -> asyncio.Future[Result]:
        """Run ``job`` in the thread, after all earlier jobs and transactions, and return its result."""
        future: asyncio.Future[Result] = self._loop.create_future()
        if self._closed:
            future.set_exception(StoreFailure("localpubsub is stopping."))
            return future

        def work() -> None:
            try:
                result = job(self._store)
            except Exception as error:  # noqa: BLE001 - the caller gets the error, and the thread must not end
                self._loop.call_soon_threadsafe(_set_exception, future, error)
            else:
                self._loop.call_soon_threadsafe(_set_result, future, result)

        self.submit(work)
        return future

    def submit(self, work: Callable[[], None]) -> None:
        """Let the thread call ``work``, which must not raise an exception, after all earlier calls."""
        if self._thread is None:
            self._thread = Thread(target=self._work, name="localpubsub-journal", daemon=True)
            self._thread.start()
        self._jobs.put(work)

    async def close(self) -> None:
        """Write the remaining changes, then end the thread."""
        try:
            while not self.next.empty() or self._writing is not None:
                await self.commit()
        except StoreFailure as failure:
            _log.error("the last changes were not written: %s", failure)
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)

    def _flush(self) -> None:
        self._timer = None
        if self._writing is not None or self.next.empty():
            return  # _finish calls _flush again after the current transaction
        changes = self._take()
        self._writing = changes.confirmation
        if self._closed:
            self._finish(changes, StoreFailure("localpubsub is stopping."))
        else:
            self.submit(lambda: self._write(changes))

    def _write(self, changes: "_Changes") -> None:
        """Write a transaction in the thread, and let the event loop finish it."""
        error = None
        try:
            self._store.write(changes.transaction)
        except Exception as failure:  # noqa: BLE001 - the callers get the error, and the thread must not end
            error = failure
        self._loop.call_soon_threadsafe(self._finish, changes, error)

    def _take(self) -> "_Changes":
        """Remove and return the changes for the next transaction, with the future of their callers."""
        changes = _Changes(self.next, self._confirmation)
        self.next, self._confirmation, self._urgent = Transaction(), self._loop.create_future(), False
        return changes

    def _finish(self, changes: "_Changes", error: Exception | None) -> None:
        self._writing = None
        if error is None:
            self._call(lambda: self._on_written(changes.transaction))
            for function in changes.transaction.done:
                self._call(function)
            changes.confirmation.set_result(None)
        else:
            self._fail(error, changes)
        if self._urgent:
            self._flush()
        elif not self.next.empty():
            self.commit_soon()

    def _fail(self, error: Exception, changes: "_Changes") -> None:
        if not isinstance(error, StoreFailure):
            error = StoreFailure(f"localpubsub cannot write: {error!r}.")
        _log.error("%s", error)
        # The changes since then were made to the state that is now undone, so they fail, too.
        failed = [changes, self._take()] if changes.transaction.undo else [changes]
        for each in reversed(failed):
            for undo in reversed(each.transaction.undo):
                self._call(undo)
        for each in failed:
            self._call(partial(self._on_failed, each.transaction))
            each.confirmation.set_exception(error)
            each.confirmation.exception()  # so that asyncio logs no error if no caller awaits it

    def _call(self, function: Callable[[], None]) -> None:
        """Call a function; if it fails, log the error, because the callers still need their confirmation."""
        try:
            function()
        except Exception:  # noqa: BLE001 - the error is logged, and the others must not wait for ever
            _log.exception("internal_error")

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _set_result(future: asyncio.Future[Result], result: Result) -> None:
    if not future.done():
        future.set_result(result)


def _set_exception(future: asyncio.Future[Result], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
