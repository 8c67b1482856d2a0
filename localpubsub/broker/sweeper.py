"""Removes the rows of backlogs and owners that no longer exist, in slices, while the server runs."""

import asyncio
import logging
from collections.abc import Container
from functools import partial
from typing import Final

from localpubsub.broker.background_tasks import BackgroundTasks
from localpubsub.errors import StoreFailure
from localpubsub.storage import slices
from localpubsub.storage.journal import Journal
from localpubsub.storage.slices import MAX_ID, Table
from localpubsub.storage.store import Store

#: Seconds after which a slice that failed, for example because the disk is full, is tried again.
RETRY_DELAY: Final = 1.0

_log = logging.getLogger("localpubsub.broker.sweeper")


class Sweeper:
    """The running removals of one broker. A removal that the end of the process interrupts is begun anew."""

    def __init__(self, journal: Journal, tasks: BackgroundTasks) -> None:
        self._journal = journal
        self._tasks = tasks
        #: Held during a slice. Otherwise the slices of thousands of deleted subscriptions would wait for the
        #: store together, and every call behind all of them.
        self._turn = asyncio.Lock()
        self._running: dict[tuple[Table, int], asyncio.Task[None]] = {}
        self._bounds: dict[tuple[Table, int], int] = {}  #: The ids below which running removals remove rows.

    def sweep(self, table: Table, number: int, before: int = MAX_ID) -> None:
        """Start to remove the rows of a number with message ids below ``before``."""
        key = table, number
        self._bounds[key] = max(before, self._bounds.get(key, 0))
        if key not in self._running:
            self._running[key] = self._tasks.start(self._sweep(table, number))

    def sweep_unknown(self, store: Store, backlogs: Container[int], owners: Container[int]) -> None:
        """Start to remove, after a restart, the rows of all other backlogs and owners.

        They were left by a removal, a seek or the creation of a snapshot that did not end.
        """
        known: list[tuple[Table, Container[int]]] = [("backlog", backlogs), ("retained", owners)]
        for table, numbers in known:
            for number in store.numbers(table):
                if number not in numbers:
                    self.sweep(table, number)

    async def finished(self, table: Table, number: int) -> None:
        """Return once no removal of this number's rows is running."""
        while task := self._running.get((table, number)):
            await asyncio.wait([task])

    async def _sweep(self, table: Table, number: int) -> None:
        rows = self._journal.first_slice_rows
        while (before := self._bounds.get((table, number))) is not None:
            remove = partial(slices.remove, table=table, number=number, before=before)
            try:
                async with self._turn:
                    complete, rows = await self._journal.slice(remove, rows)
                if complete and before == self._bounds[table, number]:
                    del self._bounds[table, number]
            except StoreFailure as failure:
                _log.warning("removal interrupted table=%s number=%s: %s", table, number, failure)
                await asyncio.sleep(RETRY_DELAY)
        del self._running[table, number]
