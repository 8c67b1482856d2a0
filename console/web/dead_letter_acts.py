"""Does what an operator has decided on the screen of the dead letters; `Acts` runs it in a thread.

The functions are those of the commands `dead replay` and `dead drop`, which record each act.
"""

from collections.abc import Callable

from console.dead_letters.acts import Command
from console.dead_letters.choice import Choice
from console.dead_letters.replacing import Replacements
from console.dead_letters.replay import await_ends
from console.dead_letters.replayer import Replayer, Work, drop
from console.web.acts import Show
from console.web.context import operator
from console.web.options import ConsoleOptions
from contract.operator_act import Act


def new_command(act: Act, choice: Choice, run_id: str | None, where: str) -> Command:
    """Return a command of now, with the filter that has chosen the dead letters."""
    single = choice.runs[0] if len(choice.runs) == 1 else None
    return Command.new(operator(), act, run_id or single or None, where)


def replaying(
    options: ConsoleOptions,
    command: Command,
    choice: Choice,
    replacements: Replacements | None = None,
    first: int | None = None,
) -> Callable[[Show], str]:
    """Return an act that publishes dead letters as jobs again, or jobs that replace them.

    Args:
        options: name the ledger and Pub/Sub.
        command: the command of the operator.
        choice: the dead letters.
        replacements: the jobs that replace them; None to publish the same jobs again.
        first: number of dead letters of a canary: the others follow only if all of its jobs succeed.
    """

    def act(show: Show) -> str:
        replayer = Replayer(options.address, command, Work(choice.letters, choice.outdated, replacements))
        total, done = replayer.left, 0
        if first is not None and first < total:
            canary = replayer.step(first, lambda count: show(f"{count} of the first {first} published"))
            done = len(canary.jobs)
            end = await_ends(
                options.ledger, canary.jobs, lambda count: show(f"{count} of the first {done} have ended")
            )
            if end.states:
                others = ", ".join(f"{count} {state}" for state, count in end.states.items())
                return (
                    f"Of the first {done} jobs, {end.succeeded} succeeded, the others did not: {others}. "
                    f"The other {replayer.left} were not replayed."
                )
        step = replayer.step(None, lambda count: show(f"{done + count} of {total} published"))
        done += len(step.jobs)
        left = f" {total - done} are not available now." if done < total else ""
        verb = "replayed" if replacements is None else "replaced"
        return f"{done} of {total} dead letters were {verb}.{left}"

    return act


def dropping(options: ConsoleOptions, command: Command, choice: Choice) -> Callable[[Show], str]:
    """Return an act that removes dead letters without a replay; the ledger counts their jobs as dropped."""

    def act(show: Show) -> str:
        letters = {letter.message_id: letter for letter in choice.letters}
        total = len(letters)
        processed = drop(
            options.address,
            command,
            letters,
            choice.outdated,
            lambda count: show(f"{count} of {total} dropped"),
        )
        return f"{len(processed.done)} of {total} dead letters were dropped."

    return act
