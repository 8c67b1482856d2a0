"""Defines what the writer needs of a ledger, and reports when the ledger cannot be written."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from localpubsub.errors import ExportBlocked
from localpubsub.exports.bigquery_row import RowPlan
from relay.ledger.counters import LedgerCounters

_log = logging.getLogger("ledger")


class LedgerTables(Protocol):
    """The tables of a ledger, used by one thread."""

    def write(self, plan: RowPlan, records: Sequence[bytes]) -> list[str]:
        """Write the rows of encoded messages in one transaction, and return once they are on disk.

        A message that the table already has is skipped.

        Returns:
            For each record an empty string, or the reason why its row was rejected.

        Raises:
            ExportBlocked: if nothing was written, for example because the disk is full.
        """

    def close(self) -> None:
        """Close the connection."""


class Ledger:
    """Writes to the tables in a thread of its own, and logs the begin and the end of each outage.

    Args:
        tables: the tables.
        counters: are updated.
    """

    def __init__(self, tables: LedgerTables, counters: LedgerCounters) -> None:
        self.counters = counters
        self._tables = tables
        self._thread = ThreadPoolExecutor(1, "ledger")

    async def write(self, plan: RowPlan, records: Sequence[bytes]) -> list[str] | None:
        """Write rows.

        Returns:
            For each record an empty string or the reason of its rejection; None if nothing was written.
        """
        loop = asyncio.get_running_loop()
        try:
            errors = await loop.run_in_executor(self._thread, self._tables.write, plan, records)
        except ExportBlocked as error:
            self._begin_outage(str(error))
            return None
        self._end_outage()
        return errors

    async def close(self) -> None:
        """Close the tables."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._tables.close)
        self._thread.shutdown()

    def _begin_outage(self, why: str) -> None:
        if not self.counters.is_failing:
            _log.error("ledger_not_written: %s Nothing is acknowledged; trying again until it succeeds.", why)
            self.counters.is_failing = True
            self.counters.outages += 1

    def _end_outage(self) -> None:
        if self.counters.is_failing:
            _log.info("ledger_written_again")
            self.counters.is_failing = False
