"""The subcommand `acts`: what operators have done."""

from typing import Annotated

import typer

from console.cli.arguments import DEFAULT_DATA, AsJson, Data, run_ids
from console.ledger.act_rows import act_rows
from console.ledger.open_ledger import open_ledger
from console.report.job_history import shown_time
from console.report.tables import text_table
from console.terminal import open_terminal, print_json, print_line

MAX_ACTS = 10_000  #: maximum number of acts that are listed


def acts(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", autocompletion=run_ids, help="Only acts on this run. Default: all."),
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", help="Show at most N acts, the newest ones.", min=1, max=MAX_ACTS)
    ] = 20,
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """List what operators have done, the newest first: who, when, which run and filter, and how many jobs.

    A command that was killed has no number of jobs.

    Example: scrapeq acts --limit 5
    """
    ledger, terminal = open_ledger(data), open_terminal()
    found = act_rows(ledger, ledger.resolve_run(run) if run else None, limit)
    if as_json:
        for act in found:
            print_json(act._asdict())
        return
    if not found:
        print_line(terminal, "No act of an operator is recorded.")
        return
    table = text_table("when", "who", "act", "run", "host", "selection", "jobs")
    for act in found:
        jobs = "" if act.jobs is None else str(act.jobs)
        when = shown_time(act.acted_at)
        table.add_texts(when, act.operator, act.act, act.run_id, act.host, act.selection, jobs)
    terminal.print(table)
