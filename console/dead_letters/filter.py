"""Reads filters of dead letters, for example `reason=http_503 host=example.org older=2h`. Pure.

A filter has terms `key=value`, separated by spaces; a dead letter must match all of them. A term may have
several values, separated by commas, of which one must match.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from console.errors import UsageError
from console.ledger.dead_letter_rows import NO_OUTCOME, DeadLetter
from console.suggestion import did_you_mean
from contract.outcome import Cause, Reason
from contract.quoting import quote

MAX_FILTER_CHARACTERS: Final = 10_000
KEYS: Final = ("reason", "host", "run", "crawl", "job", "message", "url", "recipe", "cause", "older", "newer")
_TIMES: Final = ("older", "newer")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_HTTP: Final = re.compile(r"http_([1-5])[0-9]{2}")
#: Reasons that stand for several HTTP statuses, by the first digit of the status.
_STATUS_CLASSES: Final = {
    "2": Reason.HTTP_OTHER,
    "3": Reason.HTTP_OTHER,
    "4": Reason.HTTP_4XX,
    "5": Reason.HTTP_5XX,
}


class DeadLetterFilter(NamedTuple):
    """A condition on dead letters. `str()` returns it as it can be read again.

    Attributes:
        terms: for each key, the values of which one must match; all dead letters match if it is empty.
    """

    terms: Mapping[str, tuple[str, ...]] = {}

    def __str__(self) -> str:
        """Return the filter as text, its terms in the order of KEYS."""
        return " ".join(f"{key}={','.join(self.terms[key])}" for key in KEYS if key in self.terms)

    def matches(self, letter: DeadLetter, now: datetime) -> bool:
        """Return whether a dead letter matches at the time `now`, which has a time zone."""
        return all(
            any(_matches(key, value, letter, now) for value in values) for key, values in self.terms.items()
        )

    def also(self, key: str, value: str) -> "DeadLetterFilter":
        """Return this filter with another condition, of an option of its own.

        Raises:
            UsageError: the filter has another condition of this key.
        """
        if self.terms.get(key, (value,)) != (value,):
            raise UsageError(
                f"The filter has {key}={','.join(self.terms[key])}, but an option asks for {value}."
            )
        return DeadLetterFilter({**self.terms, key: (value,)})


def read_filter(text: str) -> DeadLetterFilter:
    """Read a filter.

    Raises:
        UsageError: the text is not a filter; the message says what is wrong, and what was probably meant.
    """
    if len(text) > MAX_FILTER_CHARACTERS:
        raise UsageError(
            f"The filter has {len(text)} characters; the maximum is {MAX_FILTER_CHARACTERS}. "
            "Select fewer values, and run the command several times."
        )
    terms: dict[str, tuple[str, ...]] = {}
    for term in text.split():
        key, equals, value = term.partition("=")
        if key not in KEYS:
            raise UsageError(
                f"A filter has no key {quote(key)}.{did_you_mean(key, KEYS)} The keys are {', '.join(KEYS)}."
            )
        # A URL may contain a comma.
        values = (value,) if key == "url" else tuple(dict.fromkeys(filter(None, value.split(","))))
        if not equals or not values or not value:
            raise UsageError(f"The filter's key {key} has no value; write for example {_EXAMPLES[key]}.")
        if key in terms:
            raise UsageError(
                f"The filter has the key {key} twice; separate several values by commas, as in "
                f"reason=timeout,dns."
            )
        terms[key] = tuple(map(_CHECKS.get(key, str), values))
    return DeadLetterFilter({key: terms[key] for key in KEYS if key in terms})


def _matches(key: str, value: str, letter: DeadLetter, now: datetime) -> bool:
    if key in _TIMES:
        age = now - datetime.fromisoformat(letter.dead_at)
        return age >= _duration(value) if key == "older" else age <= _duration(value)
    if key == "reason":
        return _matches_reason(value, letter)
    if key == "url":
        return value in letter.url
    names = {"run": "run_id", "job": "job_id", "message": "message_id"}
    return bool(getattr(letter, names.get(key, key)) == value)


def _matches_reason(value: str, letter: DeadLetter) -> bool:
    if value == letter.reason:
        return True
    status = _HTTP.fullmatch(value)
    # For example http_503, which is no reason of its own.
    return (
        status is not None
        and value not in set(Reason)
        and letter.reason == _STATUS_CLASSES.get(status[1])
        and value == f"http_{letter.http_status}"
    )


def _reason(value: str) -> str:
    if value == NO_OUTCOME:
        return value
    status = _HTTP.fullmatch(value)
    if status is not None and status[1] in _STATUS_CLASSES:
        return value
    try:
        return Reason(value).value
    except ValueError:
        names = [*map(str, Reason), NO_OUTCOME]
        raise UsageError(
            f"There is no reason {quote(value)}.{did_you_mean(value, names)} `scrapeq reasons` explains all "
            "of them; http_503 selects one HTTP status."
        ) from None


def _cause(value: str) -> str:
    causes = [cause.value for cause in Cause if cause is not Cause.NONE]
    if value not in causes:
        raise UsageError(
            f"There is no cause {quote(value)}.{did_you_mean(value, causes)} "
            f"The causes are {', '.join(causes)}."
        )
    return value


def _checked_duration(value: str) -> str:
    if _DURATION.fullmatch(value) is None:
        raise UsageError(
            f"{quote(value)} is no duration; write a number and a unit (s, m, h, d or w), for example 2h."
        )
    return value


def _duration(value: str) -> timedelta:
    found = _DURATION.fullmatch(value)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta.max


_CHECKS: Final = {
    "reason": _reason,
    "cause": _cause,
    "older": _checked_duration,
    "newer": _checked_duration,
}
_EXAMPLES: Final = {
    "reason": "reason=timeout",
    "host": "host=example.org",
    "run": "run=books-1",
    "crawl": "crawl=books",
    "job": "job=JOB_ID",
    "message": "message=MESSAGE_ID",
    "url": "url=/catalogue/",
    "recipe": "recipe=book",
    "cause": "cause=infrastructure",
    "older": "older=2h",
    "newer": "newer=30m",
}
