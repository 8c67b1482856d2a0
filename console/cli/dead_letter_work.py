"""The subcommands `dead replay` and `dead drop`, which work off dead letters."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from console.cli.arguments import DEFAULT_DATA, AsJson, Data, Pubsub, Run
from console.cli.dead_letter_options import (
    AllRuns,
    DryRun,
    FailedField,
    First,
    Force,
    Infrastructure,
    JobId,
    Rate,
    RecipeOption,
    Scope,
    Where,
    Yes,
    read_scope,
)
from console.cli.dead_letter_steps import confirm, run_replay, show_choice, show_rest, stopped_by_ctrl_c
from console.controls.acts import operator_name
from console.dead_letters.choice import Choice, choose, needs_new_job
from console.dead_letters.rate import read_rate
from console.dead_letters.replacing import (
    Replacements,
    died_of_field,
    pages_without_field,
    plan_replacements,
)
from console.errors import UsageError
from console.ledger.ledger import Ledger
from console.ledger.open_ledger import open_ledger
from console.recipes.recipe_file import load_recipe
from console.stack.pubsub_address import PubsubAddress, address_of
from console.terminal import open_terminal, print_json, print_line, show_progress
from contract.job import Job
from contract.operator_act import Act

if TYPE_CHECKING:
    from console.dead_letters.acts import Command  # a slow import
    from console.dead_letters.replayer import Replayer  # a slow import


def replay(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    run: Run = None,
    where: Where = "",
    job: JobId = None,
    infrastructure: Infrastructure = False,  # noqa: FBT002 - this argument is a flag of the command
    all_runs: AllRuns = False,  # noqa: FBT002 - this argument is a flag of the command
    recipe: RecipeOption = None,
    failed_field: FailedField = None,
    first: First = None,
    rate: Rate = None,
    force: Force = False,  # noqa: FBT002 - this argument is a flag of the command
    dry_run: DryRun = False,  # noqa: FBT002 - this argument is a flag of the command
    yes: Yes = False,  # noqa: FBT002 - this argument is a flag of the command
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    pubsub: Pubsub = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Publish dead letters as jobs again, after the cause of their failure is fixed.

    A dead letter is removed only after Pub/Sub has confirmed that its job was published, so neither Ctrl-C
    nor a crash loses a job. With --first the exit status is 3 if a job of the canary does not succeed; then
    the rest stays dead.

    With --recipe each job is replaced by a new one for the same page, with the recipe of a crawl or a recipe
    file. The ledger then counts the old job as replaced, and shows the result of the new one.

    Example:
    scrapeq dead replay --where 'reason=http_503 older=2h' --first 10 --rate 5/s
    scrapeq dead replay --recipe crawl.yaml --failed-field price
    """
    ledger, terminal = open_ledger(data), open_terminal(stderr=as_json)
    per_second = None if rate is None else read_rate(rate)
    if failed_field is not None and (recipe is None or where or job or infrastructure or all_runs):
        raise UsageError("--failed-field needs --recipe, and no other selection than a run.")
    scope = read_scope(ledger, run, where, job, infrastructure=infrastructure, all_runs=all_runs)
    choice = choose(ledger, scope.run_id, scope.where)
    _refuse_cancelled_runs(ledger, scope, choice)
    replacements = None
    if recipe is not None:
        choice, replacements, lines = _replacements(ledger, scope.run_id, choice, recipe, failed_field)
        for line in lines:
            print_line(terminal, line)
    elif not force:
        choice = _without_permanent(choice, terminal)
    show_choice(terminal, "to replay", scope, choice.letters)
    count = replacements.total if replacements else len(choice.letters)
    if dry_run:
        _print_counts("replayed", 0, count, as_json=as_json)
        return
    confirm(terminal, "Replay", scope, count, yes=yes or scope.run_id is not None)
    selection = " ".join(filter(None, [str(scope.where), failed_field and f"failed-field={failed_field}"]))
    command = _command(Act.REPLAY if recipe is None else Act.REPLACE, scope, choice, selection)
    address = address_of(pubsub, data)
    _refuse_cancelled_runs(ledger, scope, choice, address)
    with stopped_by_ctrl_c(terminal):
        from console.dead_letters.replayer import Replayer, Work  # noqa: PLC0415 - a slow import

        replayer = Replayer(address, command, Work(choice.letters, choice.outdated, replacements, per_second))
        with _counted(replayer, as_json=as_json):
            run_replay(replayer, ledger, first, terminal)


def drop(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    run: Run = None,
    where: Where = "",
    job: JobId = None,
    infrastructure: Infrastructure = False,  # noqa: FBT002 - this argument is a flag of the command
    all_runs: AllRuns = False,  # noqa: FBT002 - this argument is a flag of the command
    dry_run: DryRun = False,  # noqa: FBT002 - this argument is a flag of the command
    yes: Yes = False,  # noqa: FBT002 - this argument is a flag of the command
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    pubsub: Pubsub = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Remove dead letters without a replay: the ledger then counts their jobs as dropped.

    A dropped job cannot be replayed. `scrapeq dead export` keeps a copy of the dead letters.

    Example: scrapeq dead drop --where reason=http_404,http_410
    """
    ledger, terminal = open_ledger(data), open_terminal(stderr=as_json)
    scope = read_scope(ledger, run, where, job, infrastructure=infrastructure, all_runs=all_runs)
    choice = choose(ledger, scope.run_id, scope.where)
    show_choice(terminal, "to drop", scope, choice.letters)
    if dry_run:
        _print_counts("dropped", 0, len(choice.letters), as_json=as_json)
        return
    confirm(terminal, "Drop", scope, len(choice.letters), yes=yes)
    command = _command(Act.DROP, scope, choice, str(scope.where))
    address = address_of(pubsub, data)
    with stopped_by_ctrl_c(terminal):
        from console.dead_letters.replayer import drop as drop_dead_letters  # noqa: PLC0415 - a slow import

        letters = {letter.message_id: letter for letter in choice.letters}
        with show_progress(terminal, len(letters)) as show:
            processed = drop_dead_letters(
                address, command, letters, choice.outdated, lambda done: show(done, len(letters), "dropped")
            )
    print_line(terminal, f"dropped {len(processed.done)}, left {len(letters) - len(processed.done)}")
    show_rest(terminal, ledger, processed.outdated, processed.not_found)
    _print_counts("dropped", len(processed.done), len(letters) - len(processed.done), as_json=as_json)


@contextmanager
def _counted(replayer: "Replayer", *, as_json: bool) -> Iterator[None]:
    """Print the numbers of a replay at the end of the block, also if Ctrl-C or the canary ends it."""
    count = replayer.left
    try:
        yield
    finally:
        _print_counts("replayed", count - replayer.left, replayer.left, as_json=as_json)


def _print_counts(verb: str, done: int, left: int, *, as_json: bool) -> None:
    if as_json:
        print_json({verb: done, "left": left})


def _refuse_cancelled_runs(
    ledger: Ledger, scope: Scope, choice: Choice, address: PubsubAddress | None = None
) -> None:
    from console.controls.cancel import refuse_cancelled_runs  # noqa: PLC0415 - a slow import

    refuse_cancelled_runs(ledger, [*choice.runs, *filter(None, [scope.run_id])], address)


def _command(act: Act, scope: Scope, choice: Choice, selection: str) -> "Command":
    """Return the command as it is recorded; its run is named if it concerns only one."""
    from console.dead_letters.acts import Command  # noqa: PLC0415 - a slow import

    run_id = scope.run_id or (choice.runs[0] if len(choice.runs) == 1 else None)
    return Command.new(operator_name(), act, run_id or None, selection)


def _replacements(
    ledger: Ledger, run_id: str | None, choice: Choice, recipe: Path, failed_field: str | None
) -> tuple[Choice, Replacements, list[str]]:
    """Return the dead letters that are replaced, the jobs that replace them, and lines about the others."""
    file = load_recipe(recipe)
    letters, others = choice.letters, list[Job]()
    if failed_field is not None and run_id is not None:
        letters = [letter for letter in letters if died_of_field(letter, failed_field)]
        others = pages_without_field(ledger, run_id, failed_field)
    planned = plan_replacements(ledger, file.recipe, letters, others, datetime.now(UTC))
    refused = [f"{count} are left out, because they {why}." for why, count in planned.refused.items()]
    letters = [letter for letter in letters if letter.message_id in planned.by_message]
    also = [f"{len(planned.others)} that succeeded without the field {failed_field} are replaced, too."]
    lines = [*file.warnings, *refused, *(also if planned.others else [])]
    return Choice(letters, choice.outdated), planned, lines


def _without_permanent(choice: Choice, terminal: Console) -> Choice:
    """Return a choice without the dead letters that would end for the same reason; print their reasons."""
    refused = [letter for letter in choice.letters if needs_new_job(letter)]
    if refused:
        names = ", ".join(sorted({letter.reason for letter in refused}))
        print_line(
            terminal,
            f"{len(refused)} are left out, because the same job would end for the same reason ({names}): "
            "replay them with a mended recipe (--recipe CRAWL.yaml), drop them (`scrapeq dead drop`), or use "
            "--force.",
        )
    return Choice([letter for letter in choice.letters if not needs_new_job(letter)], choice.outdated)
