"""The subcommand `status`: the state of a run, once or live."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from console.cli.arguments import DEFAULT_DATA, AsJson, Data, Run
from console.ledger.ledger import Ledger
from console.ledger.open_ledger import open_ledger
from console.report.run_status import read_status, status_json, status_parts
from console.stack.signals import raise_on_signals
from console.stack.stack_file import read_policy
from console.terminal import TextTable, is_interactive, open_terminal, print_json, print_line, printable

Show = Callable[[Iterable[str | TextTable]], None]
MIN_PAUSE_SECONDS = 1.0  #: minimum pause between two updates of --watch
PLAIN_PAUSE_SECONDS = 10.0  #: the same, if the output is no terminal
PAUSE_PER_QUERY = 20  #: minimum pause, as a multiple of the processor time of the update before


def status(
    run: Run = None,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", help="Update the display until the run has ended, or Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Show the state of a run: how far and how fast it is, what waits and until when, and what failed.

    The fields of the items are listed with the share of items that have a value, beside that of the previous
    run of the crawl, with a value and a page without one. A long list ends with the number of what is not
    shown; --json has it whole, except for the jobs that are being retried. The time of a next attempt is that
    of the last `scrapeq up` in --data; a busy site or worker makes it later.

    Example: scrapeq status books-1 --watch
    """
    ledger, terminal = open_ledger(data), open_terminal()
    run_id = ledger.resolve_run(run)
    if watch and not as_json:
        _watch(ledger, run_id, data, terminal)
    _, policy = read_policy(data)
    now = datetime.now(UTC)
    found = read_status(ledger, run_id, now)
    if as_json:
        print_json(status_json(found, policy))
        return
    for part in status_parts(found, policy, now):
        _print(terminal, part)


def _print(terminal: Console, part: str | TextTable) -> None:
    if isinstance(part, str):
        print_line(terminal, part)
    else:
        terminal.print(part)


def _watch(ledger: Ledger, run_id: str, data: Path, terminal: Console) -> None:
    """Show the state of a run until it has ended, or until Ctrl-C."""
    with raise_on_signals():
        try:
            if is_interactive(terminal):
                with Live(console=terminal, auto_refresh=False, transient=True) as live:
                    _follow(ledger, run_id, data, lambda parts: live.update(_group(parts), refresh=True))
            else:
                _follow(ledger, run_id, data, _PlainStatus(terminal).show, PLAIN_PAUSE_SECONDS)
        except KeyboardInterrupt:
            print_line(terminal, f"Stopped watching. Run {run_id} continues.")


def _follow(
    ledger: Ledger, run_id: str, data: Path, show: Show, pause_seconds: float = MIN_PAUSE_SECONDS
) -> None:
    """Show the state again and again, until all jobs are dispatched and none is in flight."""
    while True:
        used = time.process_time()
        now = datetime.now(UTC)
        found = read_status(ledger, run_id, now)
        show(status_parts(found, read_policy(data)[1], now))
        accounting, dispatch = found.overview.accounting, found.overview.dispatch
        if not accounting.in_flight and accounting.dispatched and (dispatch is None or dispatch.is_complete):
            return
        pause(max(pause_seconds, PAUSE_PER_QUERY * (time.process_time() - used)))


def pause(seconds: float) -> None:
    """Wait before the next update."""
    time.sleep(seconds)


def _group(parts: Iterable[str | TextTable]) -> Group:
    return Group(*(Text(printable(part)) if isinstance(part, str) else part for part in parts))


class _PlainStatus:
    """Prints the lines of the state, without its tables, whenever they have changed."""

    def __init__(self, terminal: Console) -> None:
        self._terminal = terminal
        self._shown = list[str]()

    def show(self, parts: Iterable[str | TextTable]) -> None:
        lines = [part for part in parts if isinstance(part, str)]
        for line in lines:
            if line not in self._shown:
                print_line(self._terminal, line)
        self._shown = lines
