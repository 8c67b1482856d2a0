"""The one date in a text, as pages write them, or a sentence why there is none. Nothing is guessed. Pure."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

from contract.fields import Locale
from extraction.conversion_error import ConversionError, shown
from extraction.months import is_day_first, month_names

MAX_CHARACTERS = 200  #: of a text with a date; in a longer one `re` chooses
_EPOCH = re.compile(r"\d{10}(?:\d{3})?")
_NUMERIC = re.compile(
    r"""(?<![\d./-])(?:
        (?P<y>\d{4})(?P<s>[-/.])(?P<m>\d{1,2})(?P=s)(?P<d>\d{1,2})             # 2026-11-22  2026/11/22
      | (?P<y2>\d{4})\s?年\s?(?P<m2>\d{1,2})\s?月\s?(?P<d2>\d{1,2})\s?日        # 2026年11月22日
      | (?P<a>\d{1,2})(?P<t>[./-])(?P<b>\d{1,2})(?P=t)(?P<y3>\d{4})            # 22.11.2026  11/22/2026
    )(?!\d|[./-]\d)""",
    re.VERBOSE,
)
_TIME = re.compile(
    r"""(?<![\d:.+-])(?P<hour>\d{1,2})(?:[:h](?P<minute>\d\d)(?::(?P<second>[0-5]\d|60)(?:[.,](?P<part>\d{1,9}))?)?
        |(?=\s*[ap]\.?m\b))(?![\d:])
        \s*(?P<half>[ap]\.?m\b\.?)?
        (?:\s*(?P<zone>(?:GMT|UTC)?[+-]\d\d:?\d\d(?!\d)|Z\b|[A-Z]{2,4}\b(?![+-]\d)))?""",
    re.VERBOSE | re.IGNORECASE,
)
# RFC 5322 section 4.3, and what central Europe writes. Others mean several zones (IST, BST), or none.
_ZONES = {"Z": 0, "UT": 0, "UTC": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7}
_ZONES |= {"MDT": -6, "PST": -8, "PDT": -7, "CET": 1, "CEST": 2}


class Moment(NamedTuple):
    """A day, and where the text has it the time of day, with its zone where the text has that."""

    day: date
    clock: time | None


def read_moment(text: str, locale: Locale | None, written: str | None) -> Moment:
    """Return the date in a text, with its time of day.

    Args:
        text: `2026-11-22`, `22 November 2026, 10:30`, `Sun, 22 Nov 2026 10:30:00 +0100`, `11/22/2026 6 pm`,
            seconds since 1970.
        locale: the language of its months, and what 03/04/2026 means.
        written: how it is written, in strptime's letters; then in no other way.

    Raises:
        ConversionError: where it holds none, several, or one that can be read in two ways.
    """
    text = " ".join(text.split())
    if len(text) > MAX_CHARACTERS:
        raise ConversionError(f"{shown(text)} is too long for a date; let `re` choose")
    if written is not None:
        return _as_written(text, written)
    if _EPOCH.fullmatch(text):
        return moment_of_seconds(int(text) / (1000 if len(text) == 13 else 1))
    return _as_iso(text) or _as_people_write(text, locale)


def moment_of_seconds(seconds: float) -> Moment:
    """Return what is so many seconds (or, from 10¹¹, milliseconds) after 1970, in UTC.

    Raises:
        ConversionError: for a year that no calendar here has.
    """
    try:
        found = datetime.fromtimestamp(seconds / 1000 if abs(seconds) >= 1e11 else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise ConversionError(f"{shown(repr(seconds))} is no time since 1970") from None
    return Moment(found.date(), found.timetz())


def _as_written(text: str, written: str) -> Moment:
    try:
        found = datetime.strptime(text, written)  # noqa: DTZ007 - a page without a zone gives a date without one
    except (ValueError, OverflowError):
        raise ConversionError(f"{shown(text)} is not written as {written}") from None
    return Moment(found.date(), found.timetz())


def _as_iso(text: str) -> Moment | None:
    if not text[:4].isdecimal() or len(text) < 8:
        return None
    try:
        return Moment(date.fromisoformat(text), None)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return Moment(found.date(), found.timetz())


def _as_people_write(text: str, locale: Locale | None) -> Moment:
    found = [*_numeric(text, locale), *_in_words(text, locale)]
    if len(found) != 1:
        count = "no date" if not found else f"{len(found)} dates; let `re` choose one"
        raise ConversionError(f"{shown(text)} holds {count}")
    [(day, start, end)] = found
    return Moment(day, _clock(f"{text[:start]} | {text[end:].lstrip('T')}"))


_Found = tuple[date, int, int]


def _numeric(text: str, locale: Locale | None) -> Iterator[_Found]:
    for match in _NUMERIC.finditer(text):
        year = int(match["y"] or match["y2"] or match["y3"])
        if match["a"]:
            day, month = _ordered(int(match["a"]), int(match["b"]), match["t"], locale, text)
        else:
            day, month = int(match["d"] or match["d2"]), int(match["m"] or match["m2"])
        yield _date(year, month, day, text), match.start(), match.end()


def _ordered(first: int, second: int, between: str, locale: Locale | None, text: str) -> tuple[int, int]:
    """Return day and month of two numbers."""
    day_first = True if between == "." else is_day_first(locale)
    if day_first is None and first != second:
        if max(first, second) <= 12:
            raise ConversionError(f"{shown(text)} may begin with day or month; say which by locale or format")
        day_first = first > 12
    return (second, first) if day_first is False else (first, second)


def _in_words(text: str, locale: Locale | None) -> Iterator[_Found]:
    names = month_names(locale)
    for match in _words(locale).finditer(text):
        month = names[(match["month"] or match["month2"]).lower()]
        year, day = int(match["y"] or match["y2"]), int(match["d"] or match["d2"])
        yield _date(year, month, day, text), match.start(), match.end()


@lru_cache(maxsize=32)
def _words(locale: Locale | None) -> re.Pattern[str]:
    months = "|".join(sorted(month_names(locale), key=len, reverse=True))
    return re.compile(
        rf"""(?<!\d)(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|[.ºª])?(?:\sde|\sof)?[\s-]?(?P<month>{months})\b\.?,?
             (?:\sdel?)?[\s-]?(?P<y>\d{{4}})(?!\d)                        # 22 Nov 2026  22. November 2026
           | \b(?P<month2>{months})\b\.?\s(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<y2>\d{{4}})(?!\d)""",
        re.VERBOSE | re.IGNORECASE,
    )


def _clock(text: str) -> time | None:
    """Return the time of day in what stands around a date; None where there is none."""
    found = list(_TIME.finditer(text))
    if not found:
        return None
    if len(found) > 1:
        raise ConversionError(f"{shown(text)} holds {len(found)} times of day; let `re` choose one")
    [match] = found
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            raise ConversionError(f"{shown(text)} holds no time of day")
        hour = hour % 12 + (12 if match["half"][0] in "pP" else 0)
    micros = int((match["part"] or "0")[:6].ljust(6, "0"))
    try:
        return time(hour, int(match["minute"] or 0), int(match["second"] or 0), micros, _zone(match["zone"]))
    except ValueError:
        raise ConversionError(f"{shown(text)} holds no time of day") from None


def _zone(name: str | None) -> timezone | None:
    name = (name or "").upper()
    if name in _ZONES:
        return timezone(timedelta(hours=_ZONES[name])) if _ZONES[name] else UTC
    digits = name.removeprefix("GMT").removeprefix("UTC").replace(":", "")
    if not digits[1:].isdecimal():
        return None
    offset = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:]))
    return timezone(-offset if digits[0] == "-" else offset) if offset else UTC


def _date(year: int, month: int, day: int, text: str) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise ConversionError(f"{shown(text)} holds a date that no calendar has") from None
