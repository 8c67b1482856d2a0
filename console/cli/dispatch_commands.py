"""The subcommand `dispatch`, which starts a run."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.cli.arguments import DEFAULT_DATA, Data
from console.dispatch import DispatchResponse, dispatch
from console.ledger.ledger import Accounting, Ledger
from console.recipes.crawl_file import load_crawl, name_run
from console.report.follow import Follower
from console.report.listings import listing_lines
from console.report.tables import dispatched_table, rejected_tables
from console.stack.signals import raise_on_signals
from console.terminal import open_terminal, print_line, show_progress


def dispatch_crawl(
    crawl_file: Annotated[
        Path, typer.Argument(metavar="CRAWL.yaml", help="The crawl: what to scrape, and how.")
    ],
    dispatcher: Annotated[
        str, typer.Option(metavar="URL", help="URL of the dispatcher.")
    ] = "http://127.0.0.1:8081",
    wait: Annotated[  # noqa: FBT002 - this argument is a flag of the command
        bool, typer.Option("--wait", help="Wait until no job of the run is in flight.")
    ] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Start a run: publish a job for every page of a crawl.

    All faults of the file are reported with their lines before anything is sent. If the dispatcher
    responds with 503 or cannot be reached, the request is repeated; a repeated request makes the same jobs.
    """
    terminal = open_terminal()
    crawl = load_crawl(crawl_file)
    crawl = crawl.model_copy(update={"run_id": name_run(crawl, datetime.now(UTC))})
    if wait:
        Ledger(data).runs()  # raises LedgerError, before anything is sent, if there is no ledger to follow
    with raise_on_signals():
        try:
            dispatched = dispatch(crawl, dispatcher, announce=lambda text: print_line(terminal, text))
            print_line(terminal, f"run {dispatched.run_id}")
            terminal.print(dispatched_table(dispatched))
            for table in rejected_tables(dispatched):
                terminal.print(table)
            if wait:
                accounting = _follow(Ledger(data), dispatched)
                for line in listing_lines(Ledger(data).listings(dispatched.run_id)):
                    print_line(terminal, line)
                print_line(terminal, str(accounting))
        except KeyboardInterrupt:
            print_line(terminal, f"Stopped waiting. Run {crawl.run_id} continues.")
            raise typer.Exit(130) from None


def _follow(ledger: Ledger, dispatched: DispatchResponse) -> Accounting:
    terminal = open_terminal()
    with show_progress(terminal, dispatched.published) as show:
        return Follower(
            ledger,
            dispatched.run_id,
            dispatched.published,
            show,
            warn=lambda text: print_line(terminal, text),
        ).follow()
