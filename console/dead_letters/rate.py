"""Reads a rate such as `5/s`. Pure."""

import re
from typing import Final

from console.errors import UsageError
from contract.quoting import quote

MAX_PER_SECOND: Final = 1000.0
_RATE: Final = re.compile(r"([0-9]{1,6})/(s|m|h)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


def read_rate(text: str) -> float:
    """Return the number per second.

    Raises:
        UsageError: the text is not a rate from 1 in an hour to 1,000 in a second.
    """
    found = _RATE.fullmatch(text.strip())
    rate = int(found[1]) / _SECONDS[found[2]] if found else 0.0
    if not 0 < rate <= MAX_PER_SECOND:
        raise UsageError(
            f"{quote(text)} is no rate; write a number and /s, /m or /h, for example 5/s. The maximum is "
            "1000/s."
        )
    return rate
