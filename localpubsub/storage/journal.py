"""Group commit: one thread writes, in one transaction, everything that happened while it wrote the last.

The event loop fills ``journal.next``. At most one transaction is with the thread; whoever needs a
confirmation awaits ``commit()``, and what nobody waits for (acks of pushes) is written a little later, with
more company.
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

#: Seconds for which changes nobody waits for may gather. A kill within them redelivers what had been
#: acknowledged.
PATIENCE: Final = 0.01

_log = logging.getLogger("localpubsub.storage.journal")


class Journal:
    """The only way to the store while the server runs. All methods belong to the event loop."""

    def __init__(
        self,
        store: Store,
        on_written: Callable[[Transaction], None],
        on_refused: Callable[[Transaction], None],
    ) -> None:
        """Each transaction is shown to one of the two, before those who wait for it hear."""
        self.next = Transaction()
        self._store = store
        self._on_written = on_written
        self._on_refused = on_refused
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="localpubsub-journal", daemon=True)
        self._thread.start()
        self._confirmation: asyncio.Future[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._urgent = False
        self._writing = False

    async def commit(self) -> None:
        """Return once everything gathered so far is on disk; StoreFailure if the disk refused it."""
        if self.next.empty():
            return
        if self._confirmation is None:
            self._confirmation = self._loop.create_future()
        if not self._urgent:
            self._urgent = True
            if self._timer is not None:
                self._timer.cancel()
            # At the end of this turn of the loop, so that its other requests come along.
            self._timer = self._loop.call_soon(self._flush)
        # Shielded, for others wait for the same transaction and a caller who hangs up must not cancel theirs.
        await asyncio.shield(self._confirmation)

    async def commit_or(self, undo: Callable[[], None]) -> None:
        """Commit; where the disk refuses, ``undo`` what is in memory already, and raise StoreFailure."""
        try:
            await self.commit()
        except StoreFailure:
            undo()
            raise

    def commit_soon(self) -> None:
        """What was gathered so far should be written, but nobody waits for it."""
        if self._timer is None:
            self._timer = self._loop.call_later(PATIENCE, self._flush)

    def run(self, job: Callable[[Store], Result]) -> asyncio.Future[Result]:
        """The result of ``job``, run in the thread after everything that was already handed to it."""
        answer: asyncio.Future[Result] = self._loop.create_future()

        def work() -> None:
            try:
                result = job(self._store)
            except Exception as error:  # noqa: BLE001 - the thread must live; the error goes to whoever waits
                self._loop.call_soon_threadsafe(_fail, answer, error)
            else:
                self._loop.call_soon_threadsafe(_resolve, answer, result)

        self._jobs.put(work)
        return answer

    async def close(self) -> None:
        """Write what is left, then end the thread."""
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
            return  # _written comes back here
        self._urgent = False
        transaction, self.next = self.next, Transaction()
        confirmation, self._confirmation = self._confirmation, None
        self._writing = True
        writing = self.run(lambda store: store.write(transaction))
        writing.add_done_callback(lambda done: self._written(done, transaction, confirmation))

    def _written(
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
            self._on_refused(transaction)
            if confirmation is not None:
                confirmation.set_exception(failure)
                confirmation.exception()  # whoever waited may have hung up: that is no error
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


def _resolve(answer: asyncio.Future[Result], result: Result) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Result], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
