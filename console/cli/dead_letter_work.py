"""The subcommand `dead replay`: publishes dead letters as jobs again."""

import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.console import Console

from console.cli.arguments import DEFAULT_DATA, Data, Pubsub, Run, pubsub_of
from console.cli.dead_letter_options import (
    AllRuns,
    Infrastructure,
    JobId,
    Scope,
    Where,
    read_scope,
)
from console.dead_letters.choice import Choice, choose, needs_new_job
from console.dead_letters.rate import read_rate
from console.errors import UsageError
from console.ledger.dead_letter_rows import DeadLetter
from console.ledger.ledger import Ledger
from console.ledger.open_ledger import open_ledger
from console.report.dead_letters import grouped
from console.stack.signals import raise_on_signals
from console.terminal import open_terminal, print_line, show_progress

SOME_FAILED: Final = 3  #: exit status if jobs of a canary did not succeed

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for a confirmation.")]


def replay(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    run: Run = None,
    where: Where = "",
    job: JobId = None,
    infrastructure: Infrastructure = False,  # noqa: FBT002 - this argument is a flag of the command
    all_runs: AllRuns = False,  # noqa: FBT002 - this argument is a flag of the command
    first: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Replay N first, and the rest only if all of them succeed: a canary.", min=1
        ),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="N/s", help="Replay at most so many in a second (/m, /h).")
    ] = None,
    force: Annotated[  # noqa: FBT002 - this argument is a flag of the command
        bool,
        typer.Option("--force", help="Also those whose reason cannot change, such as missing_field."),
    ] = False,
    dry_run: DryRun = False,  # noqa: FBT002 - this argument is a flag of the command
    yes: Yes = False,  # noqa: FBT002 - this argument is a flag of the command
    pubsub: Pubsub = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Publish dead letters as jobs again, after the cause of their failure is fixed.

    A dead letter is removed only after Pub/Sub has confirmed that its job was published, so neither Ctrl-C
    nor a crash loses a job. With --first the exit status is 3 if a job of the canary does not succeed; then
    the rest stays dead.

    Example: scrapeq dead replay --where 'reason=http_503 older=2h' --first 10 --rate 5/s
    """
    ledger, terminal = open_ledger(data), open_terminal()
    per_second = None if rate is None else read_rate(rate)
    scope = read_scope(ledger, run, where, job, infrastructure=infrastructure, all_runs=all_runs)
    choice = choose(ledger, scope.run_id, scope.where)
    if not force:
        choice = without_permanent(choice, terminal)
    show_choice(terminal, "to replay", scope, choice.letters)
    if dry_run:
        return
    confirm(terminal, "Replay", scope, choice.letters, yes=yes or scope.run_id is not None)
    command = _Replay(ledger, pubsub_of(pubsub, data), choice, per_second, terminal)
    with raise_on_signals():
        try:
            command.run(first)
        except KeyboardInterrupt:
            print_line(terminal, "Stopped. What was not replayed is still a dead letter.")
            raise typer.Exit(130) from None


class _Replay:
    """A replay of chosen dead letters, which prints how it goes."""

    def __init__(
        self, ledger: Ledger, host: str, choice: Choice, per_second: float | None, terminal: Console
    ) -> None:
        self._ledger = ledger
        self._host = host
        self._letters = {letter.message_id: letter for letter in choice.letters}
        self._outdated = choice.outdated
        self._per_second = per_second
        self._terminal = terminal

    def run(self, first: int | None) -> None:
        """Replay the dead letters, `first` of them as a canary.

        Raises:
            ReplayError: a call to Pub/Sub failed.
            typer.Exit: a job of the canary did not succeed.
        """
        if first is not None and first < len(self._letters):
            self._replay_canary(first)
        self._replay(None)

    def _replay_canary(self, first: int) -> None:
        from console.dead_letters.replay import await_ends, died  # noqa: PLC0415 - a slow import

        canary = self._replay(first)
        print_line(
            self._terminal, f"Waiting for the ends of the first {len(canary)} jobs. Ctrl-C stops only this."
        )
        with show_progress(self._terminal, len(canary)) as show:
            end = await_ends(self._ledger, died(canary), lambda done: show(done, len(canary), "ended"))
        if not end.states:
            print_line(self._terminal, f"All of the first {end.succeeded} jobs succeeded.")
            return
        others = ", ".join(f"{count} {state}" for state, count in end.states.items())
        print_line(
            self._terminal,
            f"Of the first {len(canary)} jobs, {end.succeeded} succeeded, the others did not: {others}. "
            f"The other {len(self._letters)} dead letters were not replayed. `scrapeq dead list` shows why.",
        )
        raise typer.Exit(SOME_FAILED)

    def _replay(self, count: int | None) -> list[DeadLetter]:
        from console.dead_letters.processing import Selection  # noqa: PLC0415 - a slow import
        from console.dead_letters.replay import replay as replay_dead_letters  # noqa: PLC0415 - a slow import

        total = min(len(self._letters), count or len(self._letters))
        selection = Selection(self._letters.keys(), self._outdated, count, self._per_second)
        with show_progress(self._terminal, total) as show:
            done = replay_dead_letters(self._host, selection, lambda number: show(number, total, "replayed"))
        print_line(self._terminal, f"replayed {len(done.done)}, left {len(self._letters) - len(done.done)}")
        if done.outdated:
            print_line(
                self._terminal, f"{done.outdated} more were removed, since their jobs had been replayed."
            )
        if done.not_found:
            print_line(self._terminal, NOT_FOUND.format(count=done.not_found))
        return [self._letters.pop(message_id) for message_id in sorted(done.done)]


NOT_FOUND: Final = (
    "{count} dead letters of the ledger are not available: another command holds them (for at most a minute "
    "after it was killed), or they were removed from the subscription."
)


def without_permanent(choice: Choice, terminal: Console) -> Choice:
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


def show_choice(terminal: Console, purpose: str, scope: Scope, letters: Sequence[DeadLetter]) -> None:
    """Print how many dead letters were selected, by reason and host."""
    print_line(terminal, f"{scope.title}: {len(letters)} {purpose}")
    for group in grouped(letters):
        at = f" at {group.host}" if group.host else ""
        print_line(terminal, f"  {len(group.letters)} {group.reason}{at}")


def confirm(terminal: Console, verb: str, scope: Scope, letters: Sequence[DeadLetter], *, yes: bool) -> None:
    """Ask whether to go on, unless the operator has said so.

    Raises:
        UsageError: nobody can be asked, because the standard input is no terminal.
        typer.Exit: the answer is no.
    """
    if yes or not letters:
        return
    question = f"{verb} {len(letters)} dead letters of {scope.title}?"
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Confirm with --yes, since the standard input is no terminal.")
    if not typer.confirm(question):
        print_line(terminal, "Nothing was done.")
        raise typer.Exit
