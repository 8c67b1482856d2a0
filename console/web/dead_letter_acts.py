"""Does what an operator has decided on the screen of the dead letters; `Acts` runs it in a thread."""

from collections.abc import Sequence

from console.dead_letters.choice import Choice
from console.dead_letters.processing import Selection
from console.dead_letters.replay import await_ends, died, replay
from console.ledger.dead_letter_rows import DeadLetter
from console.web.acts import Show
from console.web.options import ConsoleOptions


class Replay:
    """A replay of dead letters: with a canary, the rest follows only if all of its jobs succeed.

    Args:
        options: name the ledger and Pub/Sub.
        choice: the dead letters.
        first: number of dead letters of the canary; None for no canary.
    """

    def __init__(self, options: ConsoleOptions, choice: Choice, first: int | None = None) -> None:
        self._options = options
        self._letters = {letter.message_id: letter for letter in choice.letters}
        self._outdated = choice.outdated
        self._first = first

    def run(self, show: Show) -> str:
        """Replay, and return the result as a sentence.

        Raises:
            ConsoleError: Pub/Sub failed, or no stack runs; what was not replayed is still a dead letter.
        """
        total, replayed = len(self._letters), 0
        if self._first is not None and self._first < total:
            canary = self._replay(self._first, show)
            replayed = len(canary)
            count = len(canary)
            end = await_ends(
                self._options.ledger,
                died(canary),
                lambda done: show(f"{done} of the first {count} jobs have ended"),
            )
            if end.states:
                others = ", ".join(f"{number} {state}" for state, number in end.states.items())
                return (
                    f"Of the first {count} jobs, {end.succeeded} succeeded, the others did not: {others}. "
                    f"The other {len(self._letters)} dead letters were not replayed."
                )
        replayed += len(self._replay(None, show))
        left = f" {total - replayed} are not available now." if replayed < total else ""
        return f"{replayed} of {total} dead letters were replayed.{left}"

    def _replay(self, count: int | None, show: Show) -> Sequence[DeadLetter]:
        total = min(len(self._letters), count or len(self._letters))
        selection = Selection(self._letters.keys(), self._outdated, count)
        done = replay(
            self._options.pubsub_host, selection, lambda number: show(f"{number} of {total} replayed")
        )
        return [self._letters.pop(message_id) for message_id in sorted(done.done)]
