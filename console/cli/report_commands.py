"""The subcommands that show and explain what the ledger has."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from console.cli.arguments import DEFAULT_DATA, AsJson, Data, run_ids
from console.errors import LedgerError
from console.ledger.job_rows import find_jobs, job_events, job_items
from console.ledger.ledger import NO_RUN
from console.ledger.open_ledger import open_ledger
from console.ledger.run_rows import run_summaries
from console.report.controls import control_lines
from console.report.job_history import job_lines
from console.report.tables import (
    reasons_table,
    runs_table,
)
from console.terminal import open_terminal, print_json, print_line
from contract.reason_meanings import REASON_MEANINGS, status_of

MAX_RUNS = 10_000  #: maximum number of runs that `runs` lists


def runs(
    limit: Annotated[
        int, typer.Option(metavar="N", help="Show at most N runs, the newest ones.", min=1, max=MAX_RUNS)
    ] = 20,
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """List the runs, the newest first, with the numbers of their jobs by state.

    A run whose numbers do not add up is marked with an exclamation mark. While a dispatch continues, the
    number of its jobs is followed by an ellipsis.

    Example: scrapeq runs --limit 5
    """
    ledger = open_ledger(data)
    found = run_summaries(ledger, limit)
    if as_json:
        for run in found:
            print_json(run._asdict() | {"adds_up": run.adds_up})
        return
    if not found:
        raise LedgerError(NO_RUN)
    terminal, now = open_terminal(), datetime.now(UTC)
    terminal.print(runs_table(found, now))
    for line in control_lines(ledger, [run.run_id for run in found], now):
        print_line(terminal, line)


def job(
    job: Annotated[str, typer.Argument(metavar="JOB", help="A job id, or the URL of a page.")],
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            autocompletion=run_ids,
            help="The run. Default: the latest one that has such a job.",
        ),
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """Show the life of a job: when it was dispatched, each attempt and its reason, dead letters and replays.

    A run may have several jobs for one URL, with different recipes or requests; all of them are shown.

    Example: scrapeq job https://shop.example/products/1
    """
    ledger = open_ledger(data)
    if run is not None:
        ledger.resolve_run(run)
    jobs = find_jobs(ledger, job, run)
    if not jobs:
        where = f"Run {run} has" if run else "The ledger has"
        raise LedgerError(f"{where} no job with this id or URL: {job}")
    terminal = open_terminal()
    for found in jobs:
        if found.run_id != jobs[0].run_id:
            break
        events, items = job_events(ledger, found), job_items(ledger, found)
        if as_json:
            told = [{"event": type(event).__name__.lower()} | event._asdict() for event in events]
            print_json(found._asdict() | {"events": told, "items": items})
            continue
        for line in job_lines(found, events, items):
            print_line(terminal, line)


def reasons(
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
) -> None:
    """Explain every reason code: its outcome, its meaning, and what to do.

    Example: scrapeq reasons
    """
    if not as_json:
        open_terminal().print(reasons_table())
        return
    for reason, meaning in REASON_MEANINGS.items():
        status = status_of(reason)
        print_json(
            {"reason": reason, "outcome": meaning.outcome, "status": status}
            | {"meaning": meaning.sentence, "remedy": meaning.remedy}
        )
