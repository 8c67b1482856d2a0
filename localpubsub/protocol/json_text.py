"""Parses strict JSON text (RFC 8259, without the extensions of Python's json module), and writes JSON."""

import json
import math
from typing import Final


def parse_json(text: str) -> object:
    """Return the value of a JSON text.

    Raises:
        ValueError: the text is not JSON, contains NaN, an infinity or a number too large for a double, or is
            nested too deeply.
    """
    try:
        return _decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _parse_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:40]} is out of range")
    return number


def _reject_constant(word: str) -> object:
    raise ValueError(f"{word} is not valid JSON")


#: Decodes strict JSON. This decoder is shared, because json.loads would make a new one for each call.
_decode: Final = json.JSONDecoder(parse_constant=_reject_constant, parse_float=_parse_float).decode

#: Encodes a value as compact JSON text without escaping characters outside ASCII.
dump_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
