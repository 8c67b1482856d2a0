"""`scrapeq up`: runs the local stack until Ctrl-C or SIGTERM."""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console

from console.cli.limit_watch import watch_limits
from console.stack.addresses import Addresses
from console.stack.brokers.choice import LOCAL_BROKERS, identity_of
from console.stack.detached import start_detached
from console.stack.services import PROJECT, StackOptions
from console.stack.signals import raise_on_signals
from console.stack.stack import Stack
from console.stack.stack_file import data_option, running_stack
from console.terminal import is_interactive, open_terminal, print_json, print_line, show_steps

POLL_SECONDS = 0.5  #: seconds between two checks of the services
#: Minimum pause between two queries of the ledger, as a multiple of the duration of the first of them.
PAUSE_PER_QUERY = 10
PAUSED = "Everything is paused, so no job is delivered. `scrapeq resume --all` ends the pause."
PLAIN_INTERVAL_SECONDS = 10.0  #: minimum number of seconds between two status lines that are not redrawn


def run(options: StackOptions, *, as_json: bool = False) -> None:
    """Start the stack, show its state, and stop it at Ctrl-C or SIGTERM.

    Args:
        options: the options of the stack.
        as_json: print the record of the stack as JSON, and everything else to standard error.

    Raises:
        ConsoleError: the stack does not start, or localpubsub has ended.
    """
    terminal = open_terminal(stderr=as_json)
    command = _UpCommand(options, terminal, as_json=as_json)
    with raise_on_signals():
        try:
            command.run()
        except KeyboardInterrupt:
            print_line(terminal, "Stopped.")
    if command.summary:
        print_line(terminal, command.summary)


def run_detached(data: Path, arguments: list[str], *, as_json: bool = False) -> None:
    """Start `scrapeq up` in the background, and return when all services are healthy.

    Args:
        data: the data directory.
        arguments: the arguments of the other process.
        as_json: as for `run`.

    Raises:
        ConsoleError: the stack does not start.
    """
    terminal = open_terminal(stderr=as_json)
    try:
        with raise_on_signals(), show_steps(terminal) as announce:
            announce("Starting Scrapeq in the background")
            record = start_detached(data, arguments)
    except KeyboardInterrupt:
        print_line(terminal, "Stopped.")
        raise typer.Exit(130) from None
    if as_json:
        _print_record(data)
        return
    option = data_option(data)
    print_line(terminal, f"Scrapeq is running (process {record.pid}). `scrapeq down{option}` stops it.")
    for line in address_lines(record.addresses, data):
        print_line(terminal, line)


class _UpCommand:
    """A running stack and its terminal output.

    Attributes:
        summary: the last line to print; empty until the stack stops.
    """

    def __init__(self, options: StackOptions, terminal: Console, *, as_json: bool) -> None:
        self.summary = ""
        self._options = options
        self._terminal = terminal
        self._as_json = as_json

    def run(self) -> None:
        with ExitStack() as cleanup:
            stack = Stack(self._options)
            with show_steps(self._terminal) as stack.announce:
                stack.start()
            cleanup.callback(self._stop, stack)
            stack.announce = lambda text: print_line(self._terminal, text)
            print_line(self._terminal, "Scrapeq is running. Ctrl-C stops it.")
            for line in address_lines(stack.addresses, self._options.data):
                print_line(self._terminal, line)
            if self._as_json:
                _print_record(self._options.data)
                sys.stdout.flush()
            broker = LOCAL_BROKERS.get(self._options.broker)
            if broker and broker.note:
                print_line(self._terminal, broker.note)
            if stack.is_paused:
                print_line(self._terminal, PAUSED)
            self._show_status(stack)

    def _stop(self, stack: Stack) -> None:
        if stack.ledger.path.exists():
            self.summary = f"{stack.ledger.accounting()} (all runs)"
        with show_steps(self._terminal) as announce:
            announce("Stopping")
            stack.stop()

    def _show_status(self, stack: Stack) -> None:
        check = watch_limits(stack.ledger, self._terminal)
        if not is_interactive(self._terminal):
            _supervise(stack, check, lambda line: print_line(self._terminal, line), PLAIN_INTERVAL_SECONDS)
        with self._terminal.status(_status(stack)) as status:
            _supervise(stack, check, status.update, POLL_SECONDS)


def _supervise(
    stack: Stack, check_limits: Callable[[], None], show: Callable[[str], None], interval: float
) -> NoReturn:
    """Restart ended services, keep the limits of runs, and show a changed status.

    The status is shown at most once in `interval` seconds.
    """
    shown, next_at = "", 0.0
    while True:
        stack.supervise()
        check_limits()
        now = time.monotonic()
        if now >= next_at:
            line = _status(stack)
            next_at = now + PAUSE_PER_QUERY * (time.monotonic() - now)
            if line != shown:
                show(line)
                shown, next_at = line, max(next_at, now + interval)
        time.sleep(POLL_SECONDS)


def _print_record(data: Path) -> None:
    """Print the process and the addresses of the stack that runs in a data directory as JSON."""
    record = running_stack(data)
    addresses = asdict(record.addresses)
    addresses["broker_url"] = identity_of(record.addresses.broker_url)  # without a password
    print_json({"pid": record.pid, "data": str(data.absolute()), "project": PROJECT} | addresses)


def address_lines(addresses: Addresses, data: Path) -> list[str]:
    """Return the lines that show the addresses, directories and environment variables of a stack."""
    return [
        *([f"  page        {addresses.console_url}/"] if addresses.console_url else []),
        f"  dispatcher  {addresses.dispatcher_url}",
        f"  worker      {addresses.worker_url}",
        *_queue_lines(addresses),
        f"  data        {data.absolute()}",
        f"  logs        {data.absolute() / 'logs'}",
        *_export_lines(addresses),
    ]


def _queue_lines(addresses: Addresses) -> list[str]:
    if not addresses.broker_url:
        return [f"  Pub/Sub     {addresses.pubsub_host}", f"  state page  {addresses.pubsub_http_url}/"]
    return [
        f"  broker      {identity_of(addresses.broker_url)}",
        f"  relays      {addresses.relay_url}/metrics, {addresses.shards_relay_url}/metrics",
    ]


def _export_lines(addresses: Addresses) -> list[str]:
    if addresses.broker_url:
        return []
    return [
        "For programs that use google-cloud-pubsub:",
        f"  export PUBSUB_EMULATOR_HOST={addresses.pubsub_host}",
        f"  export GOOGLE_CLOUD_PROJECT={PROJECT}",
    ]


def _status(stack: Stack) -> str:
    accounting = stack.ledger.accounting()
    return f"in flight {accounting.in_flight}, succeeded {accounting.succeeded}, dead {accounting.dead}"
