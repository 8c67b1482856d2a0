"""Finds the only date in a text, in the formats common on web pages. Pure.

An ambiguous date is an error; the order of day and month is not guessed.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

from contract.fields import Locale
from extraction.errors import ConversionError, quote
from extraction.months import is_day_first, month_names

#: Maximum length of a text that is read as a date. For a longer text, the recipe's key `re` must select the
#: date.
MAX_CHARACTERS = 200
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
# Time zone abbreviations of RFC 5322 section 4.3, and those of central Europe, with their offsets in hours. A
# time with another abbreviation gets no zone, because some abbreviations are ambiguous (IST, BST).
_ZONES = {"Z": 0, "UT": 0, "UTC": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7}
_ZONES |= {"MDT": -6, "PST": -8, "PDT": -7, "CET": 1, "CEST": 2}


class Moment(NamedTuple):
    """A date, with a time of day if the text has one.

    Attributes:
        day: the date.
        time_of_day: the time of day, with its zone if the text names one; None if the text has no time of
            day.
    """

    day: date
    time_of_day: time | None


def read_moment(text: str, locale: Locale | None, date_format: str | None) -> Moment:
    """Return the date in a text, with its time of day.

    Args:
        text: the text, for example `2026-11-22`, `22 November 2026, 10:30`,
            `Sun, 22 Nov 2026 10:30:00 +0100` or `11/22/2026 6 pm`, or a number of seconds since 1970.
        locale: determines the names of the months, and the order of day and month in 03/04/2026.
        date_format: strptime's directives; if given, only this format is accepted.

    Raises:
        ConversionError: if the text contains no date, several dates, or an ambiguous date.
    """
    text = " ".join(text.split())
    if len(text) > MAX_CHARACTERS:
        raise ConversionError(
            f"{quote(text)} is too long for a date; select the date with the field's key `re`"
        )
    if date_format is not None:
        return _by_format(text, date_format)
    if _EPOCH.fullmatch(text):
        return moment_of_seconds(int(text) / (1000 if len(text) == 13 else 1))
    return _iso_format(text) or _free_text(text, locale)


def moment_of_seconds(seconds: float) -> Moment:
    """Return the UTC time of a number of seconds since 1970.

    A number of 10¹¹ or more is read as milliseconds.

    Raises:
        ConversionError: if the year is outside 1 to 9999.
    """
    try:
        moment = datetime.fromtimestamp(seconds / 1000 if abs(seconds) >= 1e11 else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise ConversionError(f"{quote(repr(seconds))} is not a number of seconds since 1970") from None
    return Moment(moment.date(), moment.timetz())


def _by_format(text: str, date_format: str) -> Moment:
    try:
        moment = datetime.strptime(text, date_format)  # noqa: DTZ007 - no zone is assumed if the page gives none
    except (ValueError, OverflowError):
        raise ConversionError(f"{quote(text)} does not match the format {date_format}") from None
    return Moment(moment.date(), moment.timetz())


def _iso_format(text: str) -> Moment | None:
    if not text[:4].isdecimal() or len(text) < 8:
        return None
    try:
        return Moment(date.fromisoformat(text), None)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return Moment(moment.date(), moment.timetz())


def _free_text(text: str, locale: Locale | None) -> Moment:
    dates = [*_numeric_dates(text, locale), *_dates_with_month_names(text, locale)]
    if len(dates) != 1:
        count = "no date" if not dates else f"{len(dates)} dates; select one with the field's key `re`"
        raise ConversionError(f"{quote(text)} contains {count}")
    [(day, start, end)] = dates
    return Moment(day, _time_of_day(f"{text[:start]} | {text[end:].lstrip('T')}"))


_DateMatch = tuple[date, int, int]  #: a date, and where it begins and ends in the text


def _numeric_dates(text: str, locale: Locale | None) -> Iterator[_DateMatch]:
    for match in _NUMERIC.finditer(text):
        year = int(match["y"] or match["y2"] or match["y3"])
        if match["a"]:
            day, month = _day_and_month(int(match["a"]), int(match["b"]), match["t"], locale, text)
        else:
            day, month = int(match["d"] or match["d2"]), int(match["m"] or match["m2"])
        yield _date(year, month, day, text), match.start(), match.end()


def _day_and_month(
    first: int, second: int, separator: str, locale: Locale | None, text: str
) -> tuple[int, int]:
    """Return the day and the month, in this order."""
    day_first = True if separator == "." else is_day_first(locale)
    if day_first is None and first != second:
        if max(first, second) <= 12:
            raise ConversionError(f"{quote(text)} may begin with the day or the month; set locale or format")
        day_first = first > 12
    return (second, first) if day_first is False else (first, second)


def _dates_with_month_names(text: str, locale: Locale | None) -> Iterator[_DateMatch]:
    names = month_names(locale)
    for match in _month_name_pattern(locale).finditer(text):
        month = names[(match["month"] or match["month2"]).lower()]
        year, day = int(match["y"] or match["y2"]), int(match["d"] or match["d2"])
        yield _date(year, month, day, text), match.start(), match.end()


@lru_cache(maxsize=32)
def _month_name_pattern(locale: Locale | None) -> re.Pattern[str]:
    months = "|".join(sorted(month_names(locale), key=len, reverse=True))
    return re.compile(
        rf"""(?<!\d)(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|[.ºª])?(?:\sde|\sof)?[\s-]?(?P<month>{months})\b\.?,?
             (?:\sdel?)?[\s-]?(?P<y>\d{{4}})(?!\d)                        # 22 Nov 2026  22. November 2026
           | \b(?P<month2>{months})\b\.?\s(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<y2>\d{{4}})(?!\d)""",
        re.VERBOSE | re.IGNORECASE,
    )


def _time_of_day(text: str) -> time | None:
    """Return the time of day in the text around a date, or None if there is no time of day."""
    matches = list(_TIME.finditer(text))
    if not matches:
        return None
    if len(matches) > 1:
        raise ConversionError(
            f"{quote(text)} contains {len(matches)} times of day; select one with the field's key `re`"
        )
    [match] = matches
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            raise ConversionError(f"{quote(text)} contains an invalid time of day")
        hour = hour % 12 + (12 if match["half"][0] in "pP" else 0)
    micros = int((match["part"] or "0")[:6].ljust(6, "0"))
    try:
        return time(hour, int(match["minute"] or 0), int(match["second"] or 0), micros, _zone(match["zone"]))
    except ValueError:
        raise ConversionError(f"{quote(text)} contains an invalid time of day") from None


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
        raise ConversionError(f"{quote(text)} contains a date that does not exist") from None
