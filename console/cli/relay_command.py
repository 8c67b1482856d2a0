"""The subcommand `relay`: runs the relay between another broker and the worker in place of this process."""

import os
import sys
from typing import Annotated

import typer


def relay(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="OPTIONS", help="`python -m relay --help` lists them."),
    ] = None,
) -> None:
    """Deliver the messages of another broker than Pub/Sub to the worker, until Ctrl-C.

    BROKER_URL has the URL of the broker.

    Example: scrapeq relay -- --endpoint http://127.0.0.1:8080/
    """
    command = [sys.executable, "-m", "relay", *(arguments or [])]
    os.execv(sys.executable, command)  # noqa: S606 - the same program of this distribution, without a shell
