"""Records what an operator does with dead letters, before and after it is done."""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from console.dead_letters.publishing import Connection, Message, publish
from console.ledger.dead_letter_rows import DeadLetter
from contract.operator_act import MAX_TEXT_CHARACTERS, Act, OperatorAct
from contract.topology import OPERATOR_TOPIC


class Command(NamedTuple):
    """A command of an operator, whose acts have one id.

    Attributes:
        act_id: 32 hex digits.
        operator: who gave it.
        act: what is done.
        run_id: the run; None for several runs.
        selection: the filter as text.
    """

    act_id: str
    operator: str
    act: Act
    run_id: str | None
    selection: str

    @classmethod
    def new(cls, operator: str, act: Act, run_id: str | None, selection: str) -> "Command":
        """Return a command with a new id; a long selection is cut off."""
        return cls(secrets.token_hex(16), operator, act, run_id, selection[:MAX_TEXT_CHARACTERS])

    def begun(self, planned: int) -> OperatorAct:
        """Return the act that is recorded before anything is done."""
        return self._act(detail=f"planned: {planned}")

    def ended(self, done: int, detail: str = "") -> OperatorAct:
        """Return the act that is recorded afterwards; it is missing if the command was killed."""
        return self._act(jobs=done, detail=detail[:MAX_TEXT_CHARACTERS])

    def drop(self, letter: DeadLetter) -> OperatorAct:
        """Return the act by which the ledger counts a job as dropped."""
        return self._act(
            run_id=letter.run_id or None, job_id=letter.job_id or None, dead_letter=letter.message_id
        )

    def _act(self, **fields: Any) -> OperatorAct:  # noqa: ANN401 - each field has its type
        known = {
            "act_id": self.act_id,
            "acted_at": datetime.now(UTC),
            "operator": self.operator,
            "act": self.act,
            "run_id": self.run_id,
            "selection": self.selection,
        }
        return OperatorAct.model_validate(known | fields)


def record(pubsub: Connection, acts: Iterable[OperatorAct]) -> None:
    """Publish acts, and wait for the confirmations.

    Raises:
        GoogleAPIError, TimeoutError, BrokerError: as of `publish`.
    """
    publish(pubsub, OPERATOR_TOPIC, (Message(act.encode(), act.attributes()) for act in acts))
