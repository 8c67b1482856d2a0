"""Makes the acts that are recorded before the controls are changed."""

import getpass
import json
import secrets
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from math import inf
from typing import Any, NamedTuple

from contract.controls import TIME_LIMIT
from contract.operator_act import Act, OperatorAct

MAX_OPERATOR_CHARACTERS = 256


class PauseDetail(NamedTuple):
    """The `detail` of the act of a pause.

    Attributes:
        until: when the pause ends by itself, seconds since the epoch; infinity if it does not.
        push_config: the push configuration of the subscription before a pause of all, as its JSON; None if
            there was none, or if not all is paused.
    """

    until: float = inf
    push_config: Mapping[str, Any] | None = None

    def encode(self) -> str:
        """Return the text."""
        until = None if self.until == inf else self.until
        return json.dumps({"until": until, "push_config": self.push_config}, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> "PauseDetail":
        """Return the detail; an invalid one is that of a pause without an end."""
        try:
            fields = json.loads(text)
            until, push_config = fields.get("until"), fields.get("push_config")
        except (ValueError, AttributeError):
            return cls()
        is_time = isinstance(until, int | float) and 0 <= until < TIME_LIMIT
        return cls(until if is_time else inf, push_config if isinstance(push_config, dict) else None)


def operator_name() -> str:
    """Return who gives the command: `user@machine`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run with a user id that has no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:MAX_OPERATOR_CHARACTERS]


def make_act(  # noqa: PLR0913 - these are fields of the act
    act: Act,
    operator: str,
    *,
    run_id: str | None = None,
    host: str = "",
    jobs: int | None = None,
    detail: str = "",
) -> OperatorAct:
    """Return an act of now, with a new id."""
    return OperatorAct(
        act_id=secrets.token_hex(16),
        acted_at=datetime.now(UTC),
        operator=operator,
        act=act,
        run_id=run_id,
        host=host,
        jobs=jobs,
        detail=detail,
    )
