"""`scrapeq up`: the local stack, until it is told to stop."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import NoReturn

from rich.console import Console

from console.stack.services import StackOptions
from console.stack.signals import raise_on_signals
from console.stack.stack import Stack
from console.terminal import is_interactive, print_line, show_steps

LOOK_SECONDS = 0.5
LOOK_SHARE = 10  #: a look at a large ledger takes a while; looking has at most a tenth of the time
PLAIN_PAUSE_SECONDS = 10.0  #: between two plain status lines


def run(options: StackOptions, terminal: Console) -> None:
    """Start the stack, show what happens, and stop it at Ctrl-C or SIGTERM.

    Raises:
        Complaint: where it does not start, or the queue ends.
    """
    stack = _ToldStack(options, terminal)
    with raise_on_signals():
        try:
            stack.run()
        except KeyboardInterrupt:
            print_line(terminal, "Stopped.")
    if stack.told:
        print_line(terminal, stack.told)


class _ToldStack:
    """A stack, and what is said about it."""

    def __init__(self, options: StackOptions, terminal: Console) -> None:
        self.options = options
        self.terminal = terminal
        self.told = ""

    def run(self) -> None:
        with ExitStack() as held:
            stack = Stack(self.options)
            with show_steps(self.terminal) as stack.announce:
                stack.start()
            held.callback(self._stop, stack)
            stack.announce = lambda text: print_line(self.terminal, text)
            for line in address_lines(stack):
                print_line(self.terminal, line)
            self._watch(stack)

    def _stop(self, stack: Stack) -> None:
        if stack.ledger.path.exists():
            self.told = f"{stack.ledger.accounting()} (all runs)"
        with show_steps(self.terminal) as announce:
            announce("Stopping")
            stack.stop()

    def _watch(self, stack: Stack) -> None:
        if not is_interactive(self.terminal):
            _tell(stack, lambda line: print_line(self.terminal, line), PLAIN_PAUSE_SECONDS)
        with self.terminal.status(_status(stack)) as status:
            _tell(stack, status.update, LOOK_SECONDS)


def _tell(stack: Stack, show: Callable[[str], None], pause: float) -> NoReturn:
    """Tend the stack, and show each change; after one, not within `pause` seconds."""
    shown, due = "", 0.0
    while True:
        stack.supervise()
        looked = time.monotonic()
        if looked >= due:
            line = _status(stack)
            due = looked + LOOK_SHARE * (time.monotonic() - looked)
            if line != shown:
                show(line)
                shown, due = line, max(due, looked + pause)
        time.sleep(LOOK_SECONDS)


def address_lines(stack: Stack) -> list[str]:
    """Return where everything is, and what to paste."""
    http_url = stack.addresses.pubsub_http_url
    http = f", {http_url} (certificates, health)" if http_url else ""
    return [
        "Scrapeq is running. Ctrl-C stops it.",
        f"  dispatcher  {stack.dispatcher_url}",
        f"  worker      {stack.worker_url}",
        f"  Pub/Sub     {stack.pubsub_host} (gRPC){http}",
        f"  data        {stack.options.data.absolute()}",
        f"  logs        {stack.options.data.absolute() / 'logs'}",
        "For programs that use google-cloud-pubsub:",
        f"  export PUBSUB_EMULATOR_HOST={stack.pubsub_host}",
        f"  export GOOGLE_CLOUD_PROJECT={stack.project}",
    ]


def _status(stack: Stack) -> str:
    accounting = stack.ledger.accounting()
    return f"in flight {accounting.in_flight}, succeeded {accounting.succeeded}, dead {accounting.dead}"
