"""Makes a line of JSON for each dead letter: the message, its attributes, and its last outcome."""

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

from console.ledger.dead_letter_rows import DeadLetter, dead_letter_messages
from console.ledger.ledger import Ledger
from console.terminal import json_line


def exported_lines(ledger: Ledger, letters: Sequence[DeadLetter]) -> Iterator[str]:
    """Yield a line for each dead letter, without its end.

    An object has the fields of `DeadLetter`, `reason`, and `message` with `attributes` and either `data`, the
    text of the message, or `data_base64` if its bytes are not UTF-8.
    """
    wanted = {letter.message_id: letter for letter in letters}
    runs = {letter.run_id for letter in letters}
    run_id = next(iter(runs)) if len(runs) == 1 else None
    for message_id, data, attributes in dead_letter_messages(ledger, run_id or None):
        if (letter := wanted.pop(message_id, None)) is not None:
            message = {"attributes": json.loads(attributes or "{}")} | _body(bytes(data or b""))
            yield json_line(letter._asdict() | {"reason": letter.reason, "message": message})


def _body(data: bytes) -> dict[str, Any]:
    try:
        return {"data": data.decode()}
    except UnicodeDecodeError:
        return {"data_base64": base64.b64encode(data).decode("ascii")}
