"""Chooses, from the ledger, the dead letters that a command works off."""

from datetime import UTC, datetime
from typing import NamedTuple

from console.dead_letters.filter import DeadLetterFilter
from console.ledger.dead_letter_rows import DeadLetter, dead_letters, outdated_dead_letters
from console.ledger.ledger import Ledger
from contract.outcome import Cause, Reason
from contract.reason_meanings import REASON_MEANINGS


class Choice(NamedTuple):
    """The dead letters that a command was asked for.

    Attributes:
        letters: the dead letters that match.
        outdated: message ids of dead letters for which nothing is left to do, of the same runs.
    """

    letters: list[DeadLetter]
    outdated: set[str]

    @property
    def runs(self) -> list[str]:
        """The runs of the dead letters; `""` stands for messages that belong to no run."""
        return list(dict.fromkeys(letter.run_id for letter in self.letters))


def choose(ledger: Ledger, run_id: str | None, where: DeadLetterFilter) -> Choice:
    """Return the dead letters of a run, or of all runs, that match a filter now.

    Raises:
        LedgerError: there is no ledger.
    """
    now = datetime.now(UTC)
    found = [letter for letter in dead_letters(ledger, run_id) if where.matches(letter, now)]
    return Choice(found, outdated_dead_letters(ledger, run_id))


def needs_new_job(letter: DeadLetter) -> bool:
    """Return whether each attempt of the same job would end for the same reason.

    It is unknown of a job that had too few attempts, because the infrastructure failed at the others.
    """
    if letter.cause == Cause.INFRASTRUCTURE:
        return False
    return letter.reason in set(Reason) and REASON_MEANINGS[Reason(letter.reason)].needs_new_job
