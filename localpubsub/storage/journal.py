"""Implements group commit: all changes made while a transaction is being written go into the next one.

The event loop adds changes to ``journal.next``, and one thread writes one transaction at a time. A caller
that needs a confirmation awaits ``commit()``. Changes that no caller waits for, for example acks, are written
after ``COMMIT_DELAY`` at the latest, together with all changes added until then.
"""

import asyncio
import logging
from collections.abc import Callable
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

_log = logging.getLogger("localpubsub.storage.journal")


class Journal:
    """The only access to the store while the server runs. All methods are called on the event loop."""

    def __init__(
        self,
        store: Store,
        on_written: Callable[[Transaction], None],
        on_failed: Callable[[Transaction], None],
    ) -> None:
        """Start the thread.

        Args:
            store: from now on, only the thread uses it.
            on_written: called with each written transaction, before ``commit()`` returns.
            on_failed: called with each transaction that could not be written, before ``commit()`` raises
                StoreFailure.
        """
        self.next = Transaction()  #: Changes for the next transaction.
        self._store = store
        self._on_written = on_written
        self._on_failed = on_failed
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="localpubsub-journal", daemon=True)
        self._thread.start()
        self._confirmation: asyncio.Future[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._urgent = False
        self._writing = False

    async def commit(self) -> None:
        """Return once all changes added so far are on disk; StoreFailure if they could not be written."""
        if self.next.empty():
            return
        if self._confirmation is None:
            self._confirmation = self._loop.create_future()
        if not self._urgent:
            self._urgent = True
            if self._timer is not None:
                self._timer.cancel()
            # The write begins after this iteration of the event loop, so that it includes the changes of all
            # requests that the iteration handles.
            self._timer = self._loop.call_soon(self._flush)
        # Other callers await the same future, so a cancelled caller must not cancel it.
        await asyncio.shield(self._confirmation)

    async def commit_or(self, undo: Callable[[], None]) -> None:
        """Commit; if that fails, call ``undo`` to restore the state in memory, and raise StoreFailure."""
        try:
            await self.commit()
        except StoreFailure:
            undo()
            raise

    def commit_soon(self) -> None:
        """Write all changes added so far, without a confirmation, after ``COMMIT_DELAY`` at the latest."""
        if self._timer is None:
            self._timer = self._loop.call_later(COMMIT_DELAY, self._flush)

    def run(self, job: Callable[[Store], Result]) -> asyncio.Future[Result]:
        """Run ``job`` in the thread, after all earlier jobs and transactions, and return its result."""
        future: asyncio.Future[Result] = self._loop.create_future()

        def work() -> None:
            try:
                result = job(self._store)
            except Exception as error:  # noqa: BLE001 - the caller gets the error, and the thread must not end
                self._loop.call_soon_threadsafe(_set_exception, future, error)
            else:
                self._loop.call_soon_threadsafe(_set_result, future, result)

        self._jobs.put(work)
        return future

    async def close(self) -> None:
        """Write the remaining changes, then end the thread."""
        try:
            while not self.next.empty():
                await self.commit()
        except StoreFailure as failure:
            _log.error("the last changes were not written: %s", failure)
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _flush(self) -> None:
        self._timer = None
        if self._writing:
            return  # _finish calls _flush again after the current transaction
        self._urgent = False
        transaction, self.next = self.next, Transaction()
        confirmation, self._confirmation = self._confirmation, None
        self._writing = True
        writing = self.run(lambda store: store.write(transaction))
        writing.add_done_callback(lambda done: self._finish(done, transaction, confirmation))

    def _finish(
        self, done: asyncio.Future[None], transaction: Transaction, confirmation: asyncio.Future[None] | None
    ) -> None:
        self._writing = False
        error = done.exception()
        if error is not None:
            failure = (
                error
                if isinstance(error, StoreFailure)
                else StoreFailure(f"localpubsub cannot write: {error!r}.")
            )
            _log.error("%s", failure)
            self._on_failed(transaction)
            if confirmation is not None:
                confirmation.set_exception(failure)
                confirmation.exception()  # so that asyncio logs no error if all callers were cancelled
        else:
            self._on_written(transaction)
            if confirmation is not None:
                confirmation.set_result(None)
        if self._urgent:
            self._flush()
        elif not self.next.empty():
            self.commit_soon()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _set_result(future: asyncio.Future[Result], result: Result) -> None:
    if not future.done():
        future.set_result(result)


def _set_exception(future: asyncio.Future[Result], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
