"""The subcommand `console`: serves the operator's page."""

import os
import secrets
from typing import Annotated

import typer
from rich.console import Console

from console.cli.arguments import DEFAULT_DATA, Data, Dispatcher, Pubsub, choices
from console.errors import UsageError
from console.stack.ports import allocate_ports
from console.terminal import open_terminal, print_line
from console.web.options import Behind, ConsoleOptions, is_loopback

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
    behind: Annotated[
        Behind,
        typer.Option(
            metavar=choices(Behind),
            help="What checks each request first: iap (Google's Identity-Aware Proxy, whose signed header "
            "names the operator), or iam (Cloud Run's invokers; the page is then read-only).",
        ),
    ] = Behind.NOTHING,
    iap_audience: Annotated[
        str,
        typer.Option(
            metavar="AUDIENCE",
            help="With --behind iap: /projects/NUMBER/locations/REGION/services/SERVICE.",
        ),
    ] = "",
    pubsub: Pubsub = None,
    dispatcher: Dispatcher = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Serve the operator's page: runs, jobs, dead letters, items, recipes and the queue, in a browser.

    `scrapeq up` serves it, too. An address that other machines can reach needs a token: that of
    SCRAPEQ_CONSOLE_TOKEN, or one that is generated and printed. Use such an address only behind a proxy
    with TLS. Behind Google's proxy or Cloud Run it needs none: then they have checked who the user is.

    Example: scrapeq console --port 8088 --read-only
    """
    _check_proxy(behind, iap_audience)
    terminal = open_terminal()
    token = _token(host, terminal) if behind is Behind.NOTHING else ""
    if is_loopback(host) or not port:
        port = allocate_ports({"the operator's page": (port, "--port")})["the operator's page"]
    options = ConsoleOptions(
        data=data,
        host="127.0.0.1" if host == "localhost" else host,
        port=port,
        read_only=read_only or behind is Behind.IAM,
        token=token,
        pubsub=pubsub,
        dispatcher=dispatcher,
        allowed_hosts=frozenset(map(str.lower, allow_host or ())),
        behind=behind,
        iap_audience=iap_audience,
    )
    from console.web.server import ConsoleServer  # noqa: PLC0415 - a slow import that only this command needs

    print_line(terminal, f"Scrapeq's page: {options.url} (Ctrl-C stops it)")
    ConsoleServer(options).run()


def _check_proxy(behind: Behind, iap_audience: str) -> None:
    """Refuse a proxy that cannot be there, because the page would then have no protection.

    Raises:
        UsageError: with the reason.
    """
    if (behind is Behind.IAP) != bool(iap_audience):
        raise UsageError("--behind iap and --iap-audience belong together: name both, or neither.")
    # Cloud Run sets this variable: https://cloud.google.com/run/docs/container-contract#env-vars
    if behind is Behind.IAM and not os.environ.get("K_SERVICE"):
        raise UsageError("--behind iam is for Cloud Run, which checks the callers; elsewhere use a token.")


def _token(host: str, terminal: Console) -> str:
    """Return the token that a browser must present; `""` if none is needed. Print one that is generated.

    Raises:
        UsageError: the token of the environment is too short.
    """
    token = os.environ.get(TOKEN_VARIABLE, "")
    if token and len(token) < MIN_TOKEN_CHARACTERS:
        raise UsageError(
            f"{TOKEN_VARIABLE} has {len(token)} characters; it needs at least {MIN_TOKEN_CHARACTERS}."
        )
    if not token and not is_loopback(host):
        token = secrets.token_urlsafe(24)
        print_line(terminal, f"token: {token}")
    return token
