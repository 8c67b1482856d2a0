"""The subcommands `dead list`, `dead show` and `dead export`: which pages failed for good, and why."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from console.cli.application import ScrapeqTyper
from console.cli.arguments import DEFAULT_DATA, AsJson, Data, Run
from console.cli.dead_letter_options import (
    AllRuns,
    Infrastructure,
    JobId,
    Where,
    read_scope,
)
from console.cli.dead_letter_work import drop, replay
from console.dead_letters.choice import choose
from console.dead_letters.export import exported_lines
from console.errors import LedgerError
from console.ledger.dead_letter_rows import dead_letters
from console.ledger.job_rows import find_jobs, job_events, job_items
from console.ledger.open_ledger import open_ledger
from console.report.dead_letters import dead_letter_lines, explained
from console.report.job_history import job_lines
from console.report.output_file import write_whole
from console.stack.stack_file import data_option
from console.terminal import open_terminal, print_json, print_line

MAX_SHOWN = 100_000  #: maximum number of dead letters of a group that `dead list` prints

dead_app = ScrapeqTyper(
    help="""List, replay, replace, drop or export dead letters: jobs that used up their attempts.

Example: scrapeq dead list"""
)


@dead_app.command("list")
def list_dead_letters(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    run: Run = None,
    where: Where = "",
    job: JobId = None,
    infrastructure: Infrastructure = False,  # noqa: FBT002 - this argument is a flag of the command
    all_runs: AllRuns = False,  # noqa: FBT002 - this argument is a flag of the command
    limit: Annotated[
        int, typer.Option(metavar="N", help="Show at most N jobs of each group.", min=1, max=MAX_SHOWN)
    ] = 20,
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """List dead letters by reason and host: what happened, what to do, and the jobs.

    Dead letters that the infrastructure caused come last, with the command that replays just these.

    Example: scrapeq dead list --where 'reason=http_503 host=example.org older=2h'
    """
    ledger, terminal = open_ledger(data), open_terminal()
    scope = read_scope(ledger, run, where, job, infrastructure=infrastructure, all_runs=all_runs)
    found = choose(ledger, scope.run_id, scope.where).letters
    if as_json:
        for letter in found:
            sentence, advice, command = explained(letter)
            told = {
                "reason": letter.reason,
                "meaning": sentence,
                "remedy": advice,
                "command": f"dead {command}",
            }
            print_json(letter._asdict() | told)
        return
    options = [*([scope.run_id] if scope.run_id else ["--all-runs"]), *shlex.split(data_option(data))]
    for line in dead_letter_lines(scope.title, found, ("scrapeq", "dead"), options, limit):
        print_line(terminal, line)
    if scope.run_id and not scope.where.terms:
        others = sum(not letter.run_id for letter in dead_letters(ledger))
        if others:
            print_line(
                terminal, f"\n{others} more are messages that belong to no run: --all-runs lists them."
            )


@dead_app.command()
def show(
    job: Annotated[str, typer.Argument(metavar="JOB", help="A job id, the URL of a page, or a message id.")],
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """Show a dead letter: its whole life from the dispatch on, what happened, and what to do.

    Example: scrapeq dead show https://example.org/books/17
    """
    ledger, terminal = open_ledger(data), open_terminal()
    states = {(each.run_id, each.job_id): each for each in find_jobs(ledger, job) if each.state == "dead"}
    found = [
        letter
        for letter in dead_letters(ledger)
        if (letter.run_id, letter.job_id) in states or job == letter.message_id
    ]
    if not found:
        raise LedgerError(
            f"No dead letter has this job id, URL or message id: {job}. `scrapeq dead list --all-runs` lists "
            "them; `scrapeq job` shows the life of any job."
        )
    for letter in found:
        state = states.get((letter.run_id, letter.job_id))
        sentence, advice, command = explained(letter)
        if as_json:
            events = job_events(ledger, state) if state else []
            told = [{"event": type(event).__name__.lower()} | event._asdict() for event in events]
            about = {"reason": letter.reason, "meaning": sentence, "remedy": advice, "events": told}
            print_json(letter._asdict() | about | {"command": f"dead {command}"})
            continue
        lines = job_lines(state, job_events(ledger, state), job_items(ledger, state)) if state else []
        if not state:
            lines = [f"message {letter.message_id}", f"  {sentence}", f"  what to do: {advice}"]
        option = (
            f"--job {letter.job_id}" if letter.job_id else f"--all-runs --where message={letter.message_id}"
        )
        for line in [*lines, f"  command: scrapeq dead {command} {option}{data_option(data)}"]:
            print_line(terminal, line)


@dead_app.command()
def export(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Write to this file, as JSON Lines.")
    ],
    run: Run = None,
    where: Where = "",
    job: JobId = None,
    infrastructure: Infrastructure = False,  # noqa: FBT002 - this argument is a flag of the command
    all_runs: AllRuns = False,  # noqa: FBT002 - this argument is a flag of the command
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """Write dead letters to a file, one on each line: the message, its attributes, and its last outcome.

    The file is written as a whole or not at all. The dead letters stay where they are.

    Example: scrapeq dead export --output dead.jsonl --where reason=http_404
    """
    ledger = open_ledger(data)
    scope = read_scope(ledger, run, where, job, infrastructure=infrastructure, all_runs=all_runs)
    found = choose(ledger, scope.run_id, scope.where).letters
    count = write_whole(output, (f"{line}\n" for line in exported_lines(ledger, found)))
    if as_json:
        print_json({"file": str(output), "dead_letters": count})
    else:
        print_line(open_terminal(), f"{count} dead letters written to {output}")


dead_app.command()(replay)
dead_app.command()(drop)
