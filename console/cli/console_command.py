"""The subcommand `console`: serves the operator's page."""

import os
import secrets
from typing import Annotated

import typer

from console.cli.arguments import DEFAULT_DATA, Data, Dispatcher, Pubsub
from console.errors import UsageError
from console.stack.ports import allocate_ports
from console.terminal import open_terminal, print_line
from console.web.options import ConsoleOptions, is_loopback

TOKEN_VARIABLE = "SCRAPEQ_CONSOLE_TOKEN"  # noqa: S105 - the name of a variable
MIN_TOKEN_CHARACTERS = 16


def console(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    port: Annotated[
        int, typer.Option(metavar="PORT", help="Port of the page; 0 means any free port.", min=0, max=65535)
    ] = 8088,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    read_only: Annotated[  # noqa: FBT002 - this argument is a flag of the command
        bool, typer.Option("--read-only", help="Only show: refuse every act.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further host name by which browsers may address the page."),
    ] = None,
    pubsub: Pubsub = None,
    dispatcher: Dispatcher = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Serve the operator's page: runs, jobs, dead letters, items, recipes and the queue, in a browser.

    `scrapeq up` serves it, too. An address that other machines can reach needs a token: that of
    SCRAPEQ_CONSOLE_TOKEN, or one that is generated and printed. Use such an address only behind a proxy
    with TLS.

    Example: scrapeq console --port 8088 --read-only
    """
    token = os.environ.get(TOKEN_VARIABLE, "")
    if token and len(token) < MIN_TOKEN_CHARACTERS:
        raise UsageError(
            f"{TOKEN_VARIABLE} has {len(token)} characters; it needs at least {MIN_TOKEN_CHARACTERS}."
        )
    terminal = open_terminal()
    if not is_loopback(host) and not token:
        token = secrets.token_urlsafe(24)
        print_line(terminal, f"token: {token}")
    if is_loopback(host) or not port:
        port = allocate_ports({"the operator's page": (port, "--port")})["the operator's page"]
    options = ConsoleOptions(
        data=data,
        host="127.0.0.1" if host == "localhost" else host,
        port=port,
        read_only=read_only,
        token=token,
        pubsub=pubsub,
        dispatcher=dispatcher,
        allowed_hosts=frozenset(map(str.lower, allow_host or ())),
    )
    from console.web.server import ConsoleServer  # noqa: PLC0415 - a slow import that only this command needs

    print_line(terminal, f"Scrapeq's page: {options.url} (Ctrl-C stops it)")
    ConsoleServer(options).run()
