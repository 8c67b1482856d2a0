"""The subcommand `ledger`: writes the messages of another broker than Pub/Sub into the ledger."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from console.cli.arguments import DEFAULT_DATA, AsJson, Data
from console.errors import BrokerError, UsageError
from console.ledger.ledger import Ledger
from console.ledger.open_ledger import POSTGRESQL, open_postgresql
from console.terminal import is_interactive, open_terminal, print_json, print_line
from contract.faults import ConfidentialFault
from contract.topology import REJECTED_TABLE

if TYPE_CHECKING:
    from relay.ledger.counters import LedgerCounters

PROGRESS_SECONDS = 0.5  #: pause between two updates of the progress


Broker = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar="BROKER_URL",
        help="URL of the broker. Prefer the variable: other users can read a command line.",
        show_default=False,
    ),
]
LedgerUrl = Annotated[
    str,
    typer.Option(
        "--ledger",
        metavar="URL",
        envvar="LEDGER",
        help="Write into PostgreSQL, postgresql://…, instead of the file in --data. Prefer the variable.",
        show_default=False,
    ),
]
Batch = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Messages that are written in one transaction. At most ten times as many are in memory.",
        min=1,
        max=10_000,
    ),
]
BatchSeconds = Annotated[
    float, typer.Option(metavar="SECONDS", help="How long a message waits for others.", min=0.01, max=60)
]
Port = Annotated[
    int | None,
    typer.Option(
        metavar="PORT", help="Serve /healthz and /metrics on 127.0.0.1. Default: no port.", min=1, max=65535
    ),
]


def ledger(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    broker: Broker = "",
    ledger_url: LedgerUrl = "",
    batch: Batch = 250,
    batch_seconds: BatchSeconds = 0.2,
    port: Port = None,
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """Write jobs, outcomes and dead letters of another broker than Pub/Sub into the ledger, until Ctrl-C.

    A message is acknowledged after it was written. If the ledger cannot be written, nothing is acknowledged,
    and the command tries again until it succeeds. Messages that no table accepts are stored as bytes in the
    table rejected_messages. Several of these commands may run at the same time.

    Example: scrapeq ledger --data .scrapeq
    """
    if ledger_url and not ledger_url.startswith(POSTGRESQL):
        raise UsageError(
            "`scrapeq ledger` writes the file in --data, or PostgreSQL: LEDGER or --ledger must begin with "
            "postgresql://. BigQuery is written by Pub/Sub."
        )
    if not broker:
        raise UsageError(
            "Set BROKER_URL to the URL of the broker, for example amqp://user:password@host:5672/."
        )
    try:
        from relay.ledger.counters import LedgerCounters  # noqa: PLC0415 - see the next import
        from relay.ledger.service import (  # noqa: PLC0415 - needs packages that only this command needs
            CannotWriteLedger,
            LedgerOptions,
            postgresql_tables,
            sqlite_tables,
            write_ledger,
        )
    except ModuleNotFoundError as error:
        raise UsageError(
            f"`scrapeq ledger` needs the package {error.name}: pip install localpubsub."
        ) from None
    counters, began = LedgerCounters(), time.monotonic()
    if ledger_url:
        in_postgresql = open_postgresql(ledger_url)
        in_postgresql.create()
        name, tables = in_postgresql.name, postgresql_tables(ledger_url, in_postgresql.name)
    else:
        in_file = Ledger(data)
        in_file.create()
        name, tables = str(in_file.path), sqlite_tables(in_file.path)
    try:
        with _progress(counters):
            write_ledger(LedgerOptions(broker, batch, batch_seconds, port), tables, counters, name)
    except ConfidentialFault as error:
        raise UsageError(f"The URL of the broker {error}.") from None
    except CannotWriteLedger as error:
        raise BrokerError(f"{error}".rstrip(".") + ".") from None
    _print_summary(counters, time.monotonic() - began, as_json=as_json)


class _TerminalHandler(logging.Handler):
    """Prints log lines above the progress."""

    def __init__(self, terminal: Console) -> None:
        super().__init__()
        self._terminal = terminal
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        print_line(self._terminal, self.format(record))


@contextmanager
def _progress(counters: "LedgerCounters") -> Iterator[None]:
    """Print the log to standard error; if that is a terminal, also show how many messages were written."""
    terminal = open_terminal(stderr=True)
    logging.basicConfig(level=logging.INFO, handlers=[_TerminalHandler(terminal)])
    if not is_interactive(terminal):
        yield
        return
    ended = Event()
    with terminal.status("Connecting …") as status:

        def show() -> None:
            while not ended.wait(PROGRESS_SECONDS):
                state = "cannot be written, trying again" if counters.is_failing else _sentence(counters)
                status.update(f"The ledger: {state} (Ctrl-C stops it)")

        thread = Thread(target=show, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _sentence(counters: "LedgerCounters") -> str:
    written = dict(counters.written)
    tables = ", ".join(f"{count:,} {table}" for table, count in sorted(written.items()))
    return f"{sum(written.values()):,} messages written" + (f": {tables}" if tables else "")


def _print_summary(counters: "LedgerCounters", seconds: float, *, as_json: bool) -> None:
    if as_json:
        rejected = counters.written[REJECTED_TABLE]
        tables = {name: count for name, count in sorted(counters.written.items()) if name != REJECTED_TABLE}
        print_json(
            {
                "written": tables,
                "rejected": rejected,
                "outages": counters.outages,
                "seconds": round(seconds, 1),
            }
        )
        return
    print_line(open_terminal(), f"{_sentence(counters)}, in {seconds:.0f} s.")
