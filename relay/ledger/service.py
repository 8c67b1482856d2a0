"""Receives the subscriptions of the ledger, and writes them until SIGINT or SIGTERM."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from contract.broker_url import broker_address
from localpubsub.event_loop import new_event_loop, on_signal
from localpubsub.exports.bigquery_tables import BigQueryTables
from relay.broker import CannotRelay
from relay.ledger.counters import LedgerCounters
from relay.ledger.row_plans import ledger_subscriptions, rejected_plan
from relay.ledger.subscription_writer import BatchLimits, SubscriptionWriter
from relay.ledger.tables import Ledger, LedgerTables
from relay.open_broker import broker_kind

_log = logging.getLogger("ledger")


class CannotWriteLedger(Exception):
    """The writer cannot start; the text says what, where, and how to mend it."""


@dataclass(frozen=True)
class LedgerOptions:
    """What is written where.

    Attributes:
        broker_url: BROKER_URL.
        batch: number of messages that are enough for a transaction. At most ten times as many are in memory.
        batch_seconds: how long a message waits for others.
        port: the port of `/healthz` and `/metrics` on the loopback interface; None if they are not served.
    """

    broker_url: str
    batch: int
    batch_seconds: float
    port: int | None = None


def sqlite_tables(file: Path) -> LedgerTables:
    """Return the tables of a ledger in a SQLite file, which has been created."""
    return BigQueryTables(file, create_tables=False, skip_repeated=True)


def postgresql_tables(url: str, name: str) -> LedgerTables:
    """Return the tables of a ledger in PostgreSQL, which has been created; `name` contains no password."""
    from relay.ledger.postgresql_tables import PostgresqlTables  # noqa: PLC0415 - needs an extra package

    return PostgresqlTables(url, name)


def write_ledger(options: LedgerOptions, tables: LedgerTables, counters: LedgerCounters, name: str) -> None:
    """Write the ledger until SIGINT or SIGTERM.

    Args:
        options: what is written.
        tables: the tables of the ledger.
        counters: are updated.
        name: the ledger's name in the log; it contains no password.

    Raises:
        ConfidentialFault: if BROKER_URL is invalid.
        CannotWriteLedger: if the broker cannot be reached, a queue is missing or unsuitable, or the port
            is in use.
    """
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_serve(options, tables, counters, name))
    except (CannotRelay, OSError) as error:
        raise CannotWriteLedger(str(error)) from None


def _writers(options: LedgerOptions, ledger: Ledger) -> Iterator[SubscriptionWriter]:
    kind = broker_kind(options.broker_url)
    for subscription, plan in ledger_subscriptions():
        # While a batch is written, the next one is received.
        broker = kind.open(options.broker_url, subscription, 2 * options.batch)
        limits = BatchLimits(options.batch, options.batch_seconds)
        yield SubscriptionWriter(broker, plan, rejected_plan(subscription), ledger, limits)


@asynccontextmanager
async def _http_server(port: int | None, counters: LedgerCounters) -> AsyncIterator[None]:
    """Serve `/healthz`, which is 200 while the process runs, and the counters at `/metrics`."""
    if port is None:
        yield
        return

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "failing" if counters.is_failing else "ok"})

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=counters.exposition(), content_type="text/plain")

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics)])
    server = web.AppRunner(app)
    await server.setup()
    try:
        await web.TCPSite(server, "127.0.0.1", port).start()
        yield
    finally:
        await server.cleanup()


async def _serve(options: LedgerOptions, tables: LedgerTables, counters: LedgerCounters, name: str) -> None:
    stop = asyncio.Event()
    for signal in ("SIGINT", "SIGTERM"):
        on_signal(signal, stop.set)
    ledger = Ledger(tables, counters)
    writers = list(_writers(options, ledger))
    try:
        for writer in writers:
            await writer.broker.start(writer.take)
        async with _http_server(options.port, counters), asyncio.TaskGroup() as tasks:
            for writer in writers:
                tasks.create_task(writer.run())
            _log.info("ledger_ready broker=%s ledger=%s", broker_address(options.broker_url), name)
            await stop.wait()
            _log.info("ledger_stops")
            for writer in writers:
                await writer.stop()
    finally:
        # Each waits for what its broker still sends.
        await asyncio.gather(*(writer.broker.close() for writer in writers))
        await ledger.close()
