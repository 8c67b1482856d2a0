"""The subcommands that show and explain the ledger: `results`, `status`, `dead` and `reasons`."""

import shlex
from enum import StrEnum
from typing import Annotated

import typer

from console.cli.arguments import DEFAULT_DATA, Data, Run
from console.ledger.dispatch_rows import whole
from console.ledger.ledger import Ledger
from console.report.dead_letters import dead_letter_lines
from console.report.listings import listing_lines
from console.report.tables import (
    dispatch_line,
    failures_table,
    reasons_table,
    rejected_tables,
    result_lines,
    results_table,
)
from console.terminal import open_terminal, print_line

MISSING = (
    "they have not ended and are older than the queue's message retention, or the ledger has no record of "
    "their dispatch"
)


class Format(StrEnum):
    """Output format of results."""

    TABLE = "table"
    JSONL = "jsonl"


def results(
    run: Run = None,
    output: Annotated[
        Format, typer.Option("--format", help="A table, or JSON Lines with one item on each line.")
    ] = Format.TABLE,
    data: Data = DEFAULT_DATA,
) -> None:
    """Show the results of a run: one row for each page that was scraped, or for all pages of a listing.

    A listing is a page whose recipe has `next`, and the pages that follow it. If pages of a listing are
    missing, a line after the table shows where it ended or broke off, and why.
    """
    ledger = Ledger(data)
    run_id = ledger.resolve_run(run)
    found = ledger.results(run_id)
    if output is Format.JSONL:
        for line in result_lines(run_id, found):
            typer.echo(line)
        return
    terminal = open_terminal()
    print_line(terminal, f"run {run_id}: {len(found)} jobs succeeded")
    if found:
        terminal.print(results_table(found, terminal.width))
    for line in listing_lines(ledger.listings(run_id)):
        print_line(terminal, line)


def status(run: Run = None, data: Data = DEFAULT_DATA) -> None:
    """Show the state of a run: its dispatch, its accounting, and why attempts did not succeed.

    Invalid URLs, and parts of the sources that were not read, are listed.
    """
    ledger, terminal = Ledger(data), open_terminal()
    run_id = ledger.resolve_run(run)
    failures = ledger.failures(run_id)
    print_line(terminal, f"run {run_id}")
    if dispatches := ledger.dispatches(run_id):
        dispatch = whole(dispatches)
        print_line(terminal, dispatch_line(dispatch))
        for table in rejected_tables(dispatch.report):
            terminal.print(table)
    if failures:
        terminal.print(failures_table(failures))
    for line in listing_lines(ledger.listings(run_id)):
        print_line(terminal, line)
    accounting = ledger.accounting(run_id)
    if accounting.missing:
        print_line(terminal, f"{accounting.missing} jobs are missing: {MISSING}.")
    print_line(terminal, str(accounting))


def dead(run: Run = None, data: Data = DEFAULT_DATA) -> None:
    """Show the dead letters of a run: each with its reason and what to do.

    Dead letters that the infrastructure caused come last, with the command that replays just these.
    """
    ledger, terminal = Ledger(data), open_terminal()
    run_id = ledger.resolve_run(run)
    replay = f"scrapeq replay --infrastructure {run_id}"
    if data != DEFAULT_DATA:
        replay += f" --data {shlex.quote(str(data))}"
    for line in dead_letter_lines(run_id, ledger.dead_jobs(run_id), replay):
        print_line(terminal, line)


def reasons() -> None:
    """Explain every reason code: its outcome, its meaning, and what to do."""
    open_terminal().print(reasons_table())
