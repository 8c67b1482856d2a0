"""Defines options and arguments that several subcommands have."""

import os
import sqlite3
import string
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.errors import ConsoleError
from console.ledger.open_ledger import open_ledger
from console.stack import stack_file

DEFAULT_DATA = Path(stack_file.DEFAULT_DATA)


def choices(kind: type[StrEnum]) -> str:
    """Return the metavar of an option that has one of a few values, for example `table|csv`."""
    return "|".join(kind)


def run_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the runs of the ledger that begin with a text, for the completion of the shell."""
    data = ctx.params.get("data") or os.environ.get("SCRAPEQ_DATA") or DEFAULT_DATA
    try:
        found = open_ledger(Path(data)).runs()
    except (ConsoleError, sqlite3.Error, OSError):
        return []
    return [run for run in found if run.startswith(incomplete) and not set(run) - _RUN_CHARACTERS]


#: Characters that no shell interprets. Run ids consist of them, but the ledger may have other texts.
_RUN_CHARACTERS = frozenset(string.ascii_letters + string.digits + "._-")
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="SCRAPEQ_DATA",
        help="Directory of the queue, the ledger and the logs.",
    ),
]
Run = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        autocompletion=run_ids,
        help="The run_id that `dispatch` printed. Default: the latest run.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: one object on each line.")]
#: Address of Pub/Sub; `console.stack.pubsub_address.address_of` returns it.
Pubsub = Annotated[
    str | None,
    typer.Option(
        "--pubsub",
        metavar="HOST:PORT",
        envvar="PUBSUB_EMULATOR_HOST",
        help="Address of a local Pub/Sub. Default: Google's with LEDGER=bigquery://…, else that of the "
        "`scrapeq up` that runs in --data.",
    ),
]
#: URL of the dispatcher; `dispatcher_of` returns it.
Dispatcher = Annotated[
    str | None,
    typer.Option(
        "--dispatcher",
        metavar="URL",
        help="URL of the dispatcher. Default: that of the `scrapeq up` that runs in --data.",
    ),
]


def dispatcher_of(option: str | None, data: Path) -> str:
    """Return the URL of the dispatcher: the option's value, or that of the running stack.

    Raises:
        StackNotRunningError: there is no option, and no stack runs in the data directory.
    """
    return option or stack_file.running_stack(data).addresses.dispatcher_url
