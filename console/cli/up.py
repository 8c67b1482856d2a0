"""`scrapeq up`: runs the local stack until Ctrl-C or SIGTERM."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import NoReturn

from rich.console import Console

from console.stack.services import StackOptions
from console.stack.signals import raise_on_signals
from console.stack.stack import Stack
from console.terminal import is_interactive, print_line, show_steps

POLL_SECONDS = 0.5  #: seconds between two checks of the services
#: Minimum pause between two queries of the ledger, as a multiple of the duration of the first of them.
PAUSE_PER_QUERY = 10
PLAIN_INTERVAL_SECONDS = 10.0  #: minimum number of seconds between two status lines that are not redrawn


def run(options: StackOptions, terminal: Console) -> None:
    """Start the stack, show its state, and stop it at Ctrl-C or SIGTERM.

    Raises:
        ConsoleError: the stack does not start, or localpubsub has ended.
    """
    command = _UpCommand(options, terminal)
    with raise_on_signals():
        try:
            command.run()
        except KeyboardInterrupt:
            print_line(terminal, "Stopped.")
    if command.summary:
        print_line(terminal, command.summary)


class _UpCommand:
    """A running stack and its terminal output.

    Attributes:
        summary: the last line to print; empty until the stack stops.
    """

    def __init__(self, options: StackOptions, terminal: Console) -> None:
        self.summary = ""
        self._options = options
        self._terminal = terminal

    def run(self) -> None:
        with ExitStack() as cleanup:
            stack = Stack(self._options)
            with show_steps(self._terminal) as stack.announce:
                stack.start()
            cleanup.callback(self._stop, stack)
            stack.announce = lambda text: print_line(self._terminal, text)
            for line in address_lines(stack):
                print_line(self._terminal, line)
            self._show_status(stack)

    def _stop(self, stack: Stack) -> None:
        if stack.ledger.path.exists():
            self.summary = f"{stack.ledger.accounting()} (all runs)"
        with show_steps(self._terminal) as announce:
            announce("Stopping")
            stack.stop()

    def _show_status(self, stack: Stack) -> None:
        if not is_interactive(self._terminal):
            _supervise(stack, lambda line: print_line(self._terminal, line), PLAIN_INTERVAL_SECONDS)
        with self._terminal.status(_status(stack)) as status:
            _supervise(stack, status.update, POLL_SECONDS)


def _supervise(stack: Stack, show: Callable[[str], None], interval: float) -> NoReturn:
    """Restart ended services, and show a changed status, at most once in `interval` seconds."""
    shown, next_at = "", 0.0
    while True:
        stack.supervise()
        now = time.monotonic()
        if now >= next_at:
            line = _status(stack)
            next_at = now + PAUSE_PER_QUERY * (time.monotonic() - now)
            if line != shown:
                show(line)
                shown, next_at = line, max(next_at, now + interval)
        time.sleep(POLL_SECONDS)


def address_lines(stack: Stack) -> list[str]:
    """Return the lines that show the addresses, directories and environment variables of the stack."""
    return [
        "Scrapeq is running. Ctrl-C stops it.",
        f"  dispatcher  {stack.dispatcher_url}",
        f"  worker      {stack.worker_url}",
        f"  Pub/Sub     {stack.pubsub_host}",
        f"  state page  {stack.addresses.pubsub_http_url}/",
        f"  data        {stack.options.data.absolute()}",
        f"  logs        {stack.options.data.absolute() / 'logs'}",
        "For programs that use google-cloud-pubsub:",
        f"  export PUBSUB_EMULATOR_HOST={stack.pubsub_host}",
        f"  export GOOGLE_CLOUD_PROJECT={stack.project}",
    ]


def _status(stack: Stack) -> str:
    accounting = stack.ledger.accounting()
    return f"in flight {accounting.in_flight}, succeeded {accounting.succeeded}, dead {accounting.dead}"
