"""Defines the options by which the subcommands of `dead` select dead letters."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from console.dead_letters.filter import DeadLetterFilter, read_filter
from console.errors import LedgerError, UsageError
from console.ledger.ledger import Ledger
from contract.outcome import Cause

Where = Annotated[
    str,
    typer.Option(
        "--where",
        metavar="FILTER",
        help="Only dead letters that match, for example 'reason=http_503 host=example.org older=2h'. Keys: "
        "reason, host, run, crawl, job, message, url (a part of it), recipe, cause, older, newer. Separate "
        "several values of a key by commas.",
    ),
]
JobId = Annotated[
    str | None, typer.Option("--job", metavar="JOB_ID", help="Only the dead letter of this job, of any run.")
]
Infrastructure = Annotated[
    bool, typer.Option("--infrastructure", help="Only dead letters that the infrastructure caused.")
]
AllRuns = Annotated[bool, typer.Option("--all-runs", help="Dead letters of all runs, and those of no run.")]

RecipeOption = Annotated[
    Path | None,
    typer.Option(
        "--recipe", metavar="CRAWL.yaml", help="Replace the jobs by new ones with the recipe of this file."
    ),
]
FailedField = Annotated[
    str | None,
    typer.Option(
        "--failed-field",
        metavar="FIELD",
        help="With --recipe: the pages on which this field was not found, also those that succeeded.",
    ),
]
First = Annotated[
    int | None,
    typer.Option(
        "--first", metavar="N", help="Replay N first, and the rest only if all of them succeed.", min=1
    ),
]
Rate = Annotated[
    str | None,
    typer.Option("--rate", metavar="N/s", help="Replay at most so many in a second (/m, /h)."),
]
Force = Annotated[
    bool, typer.Option("--force", help="Also those whose reason cannot change, such as missing_field.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for a confirmation.")]


class Scope(NamedTuple):
    """Which dead letters a command is about.

    Attributes:
        run_id: the run; None for all runs.
        where: the filter.
    """

    run_id: str | None
    where: DeadLetterFilter

    @property
    def title(self) -> str:
        """Name the selection for people."""
        chosen = f", {self.where}" if self.where.terms else ""
        return (f"run {self.run_id}" if self.run_id else "all runs") + chosen


def read_scope(  # noqa: PLR0913 - each argument is an option of the commands
    ledger: Ledger, run: str | None, where: str, job: str | None, *, infrastructure: bool, all_runs: bool
) -> Scope:
    """Return what the options select; without a run, it is the latest one.

    Raises:
        UsageError: the options contradict each other, or the filter is invalid.
        LedgerError: there is no ledger, or no such run.
    """
    chosen = read_filter(where)
    if job is not None:
        chosen = chosen.also("job", job)
    if infrastructure:
        chosen = chosen.also("cause", Cause.INFRASTRUCTURE.value)
    if run is not None and all_runs:
        raise UsageError("Name a run or --all-runs, not both.")
    if run is not None:
        return Scope(ledger.resolve_run(run), chosen)
    # These keys name their dead letters in any run.
    if all_runs or {"job", "run", "message"} & chosen.terms.keys():
        for named in chosen.terms.get("run", ()):
            ledger.resolve_run(named)
        return Scope(None, chosen)
    try:
        return Scope(ledger.resolve_run(None), chosen)
    except LedgerError:
        if not ledger.is_file or ledger.path.is_file():
            return Scope(None, chosen)  # no run is recorded; there may be messages that belong to no run
        raise
