"""Finds the only date in a text, in the formats common on web pages. Pure.

An ambiguous date is an error; the order of day and month is not guessed.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import NamedTuple

from contract.fields import Locale
from extraction.errors import ConversionError, quote
from extraction.months import is_day_first, month_names
from extraction.times import DATE_MARK, Context, check_rest, is_time, read_time

#: Maximum length of a text that is read as a date. For a longer text, the recipe's key `re` must select the
#: date.
MAX_CHARACTERS = 200
_SECONDS = re.compile(r"-?[0-9]{1,13}(?:\.[0-9]+)?")
# ISO 8601 as people write it. datetime.fromisoformat accepts any character between date and time.
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T.+| [0-9]{2}:.+)?|[0-9]{8}T.+|[0-9]{4}-?W[0-9]{2}(?:-?[0-9])?"
)
_RANGE = re.compile(r".* [0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}")  # 2026-11-22 10:30-11:30
# Years before Christ, and calendars in which the same digits are another date.
_OTHER_ERA = re.compile(
    r"\b(?:BCE?|B\.C\.|v\. ?Chr|av\. ?J|a\. ?C\.|p\.n\.e|f\. ?Kr|B\.E\.|BE|AH|A\.H\.)(?![^\W_])"
    r"|พ\.ศ|هـ|农历|農曆|旧暦|民國|民国"
)
_SEPARATOR = re.compile(r" ?[|·•] ?")
_COUNT = re.compile(r"\D*(?<![\d./:-])\d+ [^\W\d_]\D*")
_NUMERIC = re.compile(
    r"""(?<![\d./+-])(?:
        (?:(?P<y>[0-9]{4})(?P<s>\.\ |[-/.])(?P<m>[0-9]{1,2})(?P=s)(?P<d>[0-9]{1,2})       # 2026-11-22
          |(?P<a>[0-9]{1,2})(?P<t>\.\ |[./-])(?P<b>[0-9]{1,2})(?P=t)(?P<y3>[0-9]{4})      # 22.11.2026
        )(?!\d|[./-]\d)
      | (?P<y2>[0-9]{4})\ ?[年년]\ ?(?P<m2>[0-9]{1,2})\ ?[月월]\ ?(?P<d2>[0-9]{1,2})\ ?[日일]
    )""",
    re.VERBOSE,
)


class Moment(NamedTuple):
    """A date, with a time of day if the text has one.

    Attributes:
        day: the date.
        time_of_day: the time of day, with its zone if the text names one; None if the text has no time of
            day.
    """

    day: date
    time_of_day: time | None


def read_moment(text: str, locale: Locale | None, date_format: str | None, *, with_time: bool) -> Moment:
    """Return the date in a text, with its time of day.

    Args:
        text: the text, for example `2026-11-22`, `22 November 2026, 10:30`,
            `Sun, 22 Nov 2026 10:30:00 GMT+1` or `11/22/2026 6 pm`.
        locale: determines the names of the months, and the order of day and month in 03/04/2026.
        date_format: strptime's directives, or `%s` for seconds since 1970; if given, only this format is
            accepted.
        with_time: whether the time of day is needed. If not, what may change only the time is accepted.

    Raises:
        ConversionError: if the text contains no date, several dates, an ambiguous date, other digits than
            those of a date and a time, or something next to the time that may change it.
    """
    text = " ".join(text.split())
    if len(text) > MAX_CHARACTERS:
        raise ConversionError(
            f"{quote(text)} is too long for a date; select the date with the field's key `re`"
        )
    if date_format is not None:
        return _by_format(text, date_format)
    return _iso_format(text) or _free_text(text, locale, with_time=with_time)


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
    if date_format == "%s":
        if _SECONDS.fullmatch(text) is None:
            raise ConversionError(f"{quote(text)} is not a number of seconds since 1970")
        return moment_of_seconds(float(text))
    try:
        moment = datetime.strptime(text, date_format)  # noqa: DTZ007 - no zone is assumed if the page gives none
    except (ValueError, OverflowError):
        raise ConversionError(f"{quote(text)} does not match the format {date_format}") from None
    return Moment(moment.date(), moment.timetz())


def _iso_format(text: str) -> Moment | None:
    if _ISO.fullmatch(text) is None or _RANGE.fullmatch(text):
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


def _free_text(text: str, locale: Locale | None, *, with_time: bool) -> Moment:
    numeric = list(_numeric_dates(text, locale))
    dates = [*numeric, *_dates_with_month_names(text, locale)]
    if len(dates) != 1:
        count = "no date" if not dates else f"{len(dates)} dates; select one with the field's key `re`"
        raise ConversionError(f"{quote(text)} contains {count}")
    [(day, start, end)] = dates
    before, after = text[:start], text[end:]
    era = _OTHER_ERA.search(before[-20:]) or _OTHER_ERA.search(after[:20])
    if era is not None:
        raise ConversionError(
            f"{quote(text)} has {quote(era[0])} next to its date, which may be of another calendar"
        )
    rest = _without_counts(f"{before}{DATE_MARK}{re.sub('^[Tt](?=[0-9])', ' ', after)}", locale)
    if not with_time:
        check_rest(text, rest)
        return Moment(day, None)
    context = Context(
        text,
        locale,
        am_may_be_german=locale is Locale.DE or (locale is None and text[start].isdigit()),
        usa=not numeric or locale is Locale.EN_US,
    )
    return Moment(day, read_time(rest, context))


def _without_counts(rest: str, locale: Locale | None) -> str:
    """Return the text around a date without parts such as `· 3 comments`, whose number counts something."""
    parts = _SEPARATOR.split(rest)
    month = _month_name(locale)
    return " | ".join(
        part
        for part in parts
        if DATE_MARK in part or not _COUNT.fullmatch(part) or month.search(part) or is_time(part)
    )


_DateMatch = tuple[date, int, int]  #: a date, and where it begins and ends in the text


def _numeric_dates(text: str, locale: Locale | None) -> Iterator[_DateMatch]:
    for match in _NUMERIC.finditer(text):
        year = int(match["y"] or match["y2"] or match["y3"])
        if match["a"]:
            day, month = _day_and_month(int(match["a"]), int(match["b"]), match["t"], locale, text)
        else:
            day, month = int(match["d"] or match["d2"]), int(match["m"] or match["m2"])
        if not 1500 <= year <= 2400:
            raise ConversionError(
                f"{quote(text)} has the year {year}, which may be of another calendar; set format"
            )
        yield _date(year, month, day, text), match.start(), match.end()


def _day_and_month(
    first: int, second: int, separator: str, locale: Locale | None, text: str
) -> tuple[int, int]:
    """Return the day and the month, in this order."""
    day_first = True if separator[0] == "." else is_day_first(locale)
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
def _month_name(locale: Locale | None) -> re.Pattern[str]:
    return re.compile("|".join(sorted(month_names(locale), key=len, reverse=True)), re.IGNORECASE)


@lru_cache(maxsize=32)
def _month_name_pattern(locale: Locale | None) -> re.Pattern[str]:
    months = _month_name(locale).pattern
    return re.compile(
        rf"""(?<!\d)(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th|er|[.ºª])?(?:\sde|\sof)?[\s-]?(?P<month>{months})\b\.?,?
             (?:\sdel?)?[\s-]?(?P<y>[0-9]{{4}})(?!\d)                        # 22 Nov 2026  22. November 2026
           | \b(?P<month2>{months})\b\.?\s(?P<d2>[0-9]{{1,2}})(?:st|nd|rd|th)?,?\s(?P<y2>[0-9]{{4}})(?!\d)""",
        re.VERBOSE | re.IGNORECASE,
    )


def _date(year: int, month: int, day: int, text: str) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise ConversionError(f"{quote(text)} contains a date that does not exist") from None
