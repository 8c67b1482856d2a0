"""Runs a replay step by step on a terminal: asks first, shows progress, and says how it has ended."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console

from console.cli.dead_letter_options import Scope
from console.errors import UsageError
from console.ledger.dead_letter_rows import DeadLetter
from console.ledger.ledger import Ledger
from console.report.dead_letters import grouped
from console.stack.signals import raise_on_signals
from console.terminal import print_line, show_progress

if TYPE_CHECKING:
    from console.dead_letters.replayer import Replayer, Step  # a slow import

SOME_FAILED: Final = 3  #: exit status if jobs of a canary did not succeed
STOPPED: Final = 130  #: exit status after Ctrl-C, as of a shell
NOT_FOUND: Final = (
    "{count} dead letters of the ledger are not available: another command holds them (for at most a minute "
    "after it was killed), or they were removed from the subscription.{delay}"
)
#: What else may be the reason in the cloud, where the subscription's own ack deadline is ten minutes.
DELAY: Final = (
    " If they were replayed or dropped just now, the ledger shows it within a minute; dead letters of a "
    "command that was killed during a pull are available after at most ten minutes."
)


def run_replay(replayer: "Replayer", ledger: Ledger, first: int | None, terminal: Console) -> None:
    """Replay what was chosen, `first` of it as a canary.

    Raises:
        ReplayError: a call to Pub/Sub failed.
        typer.Exit: a job of the canary did not succeed.
    """
    if first is not None and first < replayer.left:
        canary = _step(replayer, ledger, first, terminal)
        _await_canary(replayer, canary.jobs, ledger, terminal)
    _step(replayer, ledger, None, terminal)


def _step(replayer: "Replayer", ledger: Ledger, limit: int | None, terminal: Console) -> "Step":
    total = min(replayer.left, limit or replayer.left)
    with show_progress(terminal, total) as show:
        step = replayer.step(limit, lambda done: show(done, total, "replayed"))
    print_line(terminal, f"replayed {len(step.jobs)}, left {replayer.left}")
    show_rest(terminal, ledger, step.processed.outdated, step.processed.not_found)
    return step


def _await_canary(
    replayer: "Replayer", jobs: Sequence[tuple[str, str, str]], ledger: Ledger, terminal: Console
) -> None:
    from console.dead_letters.canary import await_ends  # noqa: PLC0415 - a slow import

    print_line(
        terminal, f"Waiting for the ends of the first {len(jobs)} jobs. Ctrl-C leaves the others dead."
    )
    with show_progress(terminal, len(jobs)) as show:
        end = await_ends(ledger, jobs, lambda state: show(state.ended, len(jobs), "ended"))
    if end.is_success:
        print_line(terminal, f"All of the first {end.succeeded} jobs succeeded.")
        return
    replayer.note(f"canary {end}")
    others = ", ".join(f"{count} {state}" for state, count in end.others.items())
    print_line(
        terminal,
        f"Of the first {len(jobs)} jobs, {end.succeeded} succeeded, the others did not: {others}. "
        f"The other {replayer.left} were not replayed. `scrapeq dead list` shows why.",
    )
    raise typer.Exit(SOME_FAILED)


def show_rest(terminal: Console, ledger: Ledger, outdated: int, not_found: int) -> None:
    """Print how many dead letters were only removed, and how many were not there."""
    if outdated:
        print_line(terminal, f"{outdated} more were removed, since nothing was left to do for their jobs.")
    if not_found:
        print_line(terminal, NOT_FOUND.format(count=not_found, delay="" if ledger.is_local else DELAY))


def show_choice(terminal: Console, purpose: str, scope: Scope, letters: Sequence[DeadLetter]) -> None:
    """Print how many dead letters were selected, by reason and host."""
    print_line(terminal, f"{scope.title}: {len(letters)} {purpose}")
    for group in grouped(letters):
        at = f" at {group.host}" if group.host else ""
        print_line(terminal, f"  {len(group.letters)} {group.reason}{at}")


def confirm(terminal: Console, verb: str, scope: Scope, count: int, *, yes: bool) -> None:
    """Ask whether to go on, unless the operator has said so.

    Raises:
        UsageError: nobody can be asked, because the standard input is no terminal.
        typer.Exit: the answer is no.
    """
    if yes or not count:
        return
    question = f"{verb} {count} dead letters of {scope.title}?"
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Confirm with --yes, since the standard input is no terminal.")
    if not typer.confirm(question):
        print_line(terminal, "Nothing was done.")
        raise typer.Exit


@contextmanager
def stopped_by_ctrl_c(terminal: Console) -> Iterator[None]:
    """Say what is left if Ctrl-C ends the command."""
    with raise_on_signals():
        try:
            yield
        except KeyboardInterrupt:
            print_line(terminal, "Stopped. What was not done is still a dead letter.")
            raise typer.Exit(STOPPED) from None
