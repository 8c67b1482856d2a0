"""Does what an operator has decided on the screen of the dead letters; `Acts` runs it in a thread.

The functions are those of the commands `dead replay` and `dead drop`, which record each act.
"""

from contextlib import suppress
from typing import NamedTuple

from console.controls.cancel import refuse_cancelled_runs
from console.dead_letters.acts import Command
from console.dead_letters.canary import CanaryState, await_ends
from console.dead_letters.choice import Choice
from console.dead_letters.replacing import Replacements
from console.dead_letters.replayer import Replayer, drop
from console.dead_letters.replayer import Work as Replay
from console.errors import ConsoleError
from console.report.durations import duration
from console.web.acts import ActStopped, RunningAct, Work
from console.web.context import operator
from console.web.options import ConsoleOptions
from contract.operator_act import Act


class CanaryOptions(NamedTuple):
    """A canary: the others follow only if all of its jobs succeed in time.

    Attributes:
        first: number of dead letters that are replayed first.
        seconds: how long to wait for the ends of their jobs.
    """

    first: int
    seconds: float


def new_command(act: Act, choice: Choice, run_id: str | None, where: str) -> Command:
    """Return a command of now, with the filter that has chosen the dead letters."""
    single = choice.runs[0] if len(choice.runs) == 1 else None
    return Command.new(operator(), act, run_id or single or None, where)


def replaying(
    options: ConsoleOptions,
    command: Command,
    choice: Choice,
    replacements: Replacements | None = None,
    canary: CanaryOptions | None = None,
) -> Work:
    """Return an act that publishes dead letters as jobs again, or jobs that replace them.

    Args:
        options: name the ledger and Pub/Sub.
        command: the command of the operator.
        choice: the dead letters.
        replacements: the jobs that replace them; None to publish the same jobs again.
        canary: which of them come first; None for no canary.
    """

    def work(act: RunningAct) -> str:
        replayer = Replayer(options.address, command, Replay(choice.letters, choice.outdated, replacements))
        total, done = replayer.left, 0
        if canary is not None and canary.first < total:
            with act.turn():
                step = replayer.step(
                    canary.first, lambda count: act.show(f"{count:,} of the first {canary.first:,} published")
                )
            done = len(step.jobs)
            _await_canary(options, act, replayer, canary, step.jobs)
            refuse_cancelled_runs(options.ledger, choice.runs)
        with act.turn():
            step = replayer.step(None, lambda count: act.show(f"{done + count:,} of {total:,} published"))
        done += len(step.jobs)
        left = f" {total - done:,} are not available now." if done < total else ""
        verb = "replayed" if replacements is None else "replaced"
        return f"{done:,} of {total:,} dead letters were {verb}.{left}"

    return work


def _await_canary(
    options: ConsoleOptions,
    act: RunningAct,
    replayer: Replayer,
    canary: CanaryOptions,
    jobs: list[tuple[str, str, str]],
) -> None:
    """Wait for the ends of the first jobs.

    Raises:
        ActStopped: not all of them have succeeded in time; what is left stays dead.
    """

    def show(state: CanaryState) -> None:
        act.canary = state
        act.show(f"The rest ({replayer.left:,}) follows if all of them succeed.")

    with act.waiting(canary.seconds) as pause:
        end = await_ends(options.ledger, jobs, show, pause)
    if end.is_success:
        return
    why = "Not all have succeeded"
    if end.waiting:
        why = act.why_stopped or f"The canary has taken longer than {duration(canary.seconds)}"
    text = f"{why}; {end}"
    with suppress(ConsoleError):  # the ledger lacks this detail, if Pub/Sub is stopped as well
        replayer.note(text)
    raise ActStopped(f"{text}. The rest ({replayer.left:,}) is still dead.")


def dropping(options: ConsoleOptions, command: Command, choice: Choice) -> Work:
    """Return an act that removes dead letters without a replay; the ledger counts their jobs as dropped."""

    def work(act: RunningAct) -> str:
        letters = {letter.message_id: letter for letter in choice.letters}
        total = len(letters)
        with act.turn():
            processed = drop(
                options.address,
                command,
                letters,
                choice.outdated,
                lambda count: act.show(f"{count:,} of {total:,} dropped"),
            )
        return f"{len(processed.done):,} of {total:,} dead letters were dropped."

    return work
