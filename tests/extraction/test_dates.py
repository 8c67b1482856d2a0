"""Tests that dates in many notations are converted to ISO 8601 and that other texts are rejected."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.fields import FieldType, Locale
from contract.recipe import RecipeField
from extraction.errors import ConversionError
from extraction.months import NAMES
from extraction.values import read, read_number
from tests.extraction.many_examples import many_examples

DATE, DATETIME = FieldType.DATE, FieldType.DATETIME


def field(as_type: FieldType, locale: str | None = None, date_format: str | None = None) -> RecipeField:
    """Return a field with this type, locale and date format."""
    return RecipeField.model_validate({"css": "p", "type": as_type, "locale": locale, "format": date_format})


@pytest.mark.parametrize(
    ("text", "locale", "day"),
    [
        ("2026-11-22", None, "2026-11-22"),
        ("20261122T103000Z", None, "2026-11-22"),
        ("2026-W47-7", None, "2026-11-22"),
        ("2026/1/2", None, "2026-01-02"),
        ("2026年11月22日", None, "2026-11-22"),
        ("22.11.2026", None, "2026-11-22"),
        ("3.4.2026", "en-US", "2026-04-03"),
        ("22/11/2026", None, "2026-11-22"),
        ("11/22/2026", None, "2026-11-22"),
        ("04/04/2026", None, "2026-04-04"),
        ("03/04/2026", "en-US", "2026-03-04"),
        ("03/04/2026", "en-GB", "2026-04-03"),
        ("03-04-2026", "nl", "2026-04-03"),
        ("Published: 22 November 2026", None, "2026-11-22"),
        ("Nov. 22nd, 2026", None, "2026-11-22"),
        ("the 1st of May 2026", None, "2026-05-01"),
        ("22-Nov-2026", None, "2026-11-22"),
        ("Montag, 2. März 2026", "de", "2026-03-02"),
        ("22 de noviembre de 2026", "es", "2026-11-22"),
        ("1er février 2026", "fr", "2026-02-01"),
        ("22 listopada 2026 r.", "pl", "2026-11-22"),
        ("den 3 maj 2026", "sv", "2026-05-03"),
        ("Sun, 22 Nov 2026 10:30:00 +0100", None, "2026-11-22"),
        ("22. 11. 2026", None, "2026-11-22"),
        ("2026. 11. 22.", None, "2026-11-22"),
        ("2026년 11월 22일", None, "2026-11-22"),
        ("22 Nov 2026 · 3 comments | 1 min read", None, "2026-11-22"),
        ("22 Nov 2026 10:30 IST", None, "2026-11-22"),
    ],
)
def test_date_is_read_in_the_notations_of_many_countries(text: str, locale: str | None, day: str) -> None:
    """A date is found in the notations of many countries, with or without other text around it."""
    assert read(text, field(DATE, locale), "") == day


@pytest.mark.parametrize(
    ("text", "locale", "moment"),
    [
        ("2026-11-22T06:00:03.120Z", None, "2026-11-22T06:00:03.120000Z"),
        ("2026-11-22 06:00", None, "2026-11-22T06:00:00"),
        ("20261122T060003+0100", None, "2026-11-22T06:00:03+01:00"),
        ("Sun, 22 Nov 2026 10:30:00 GMT", None, "2026-11-22T10:30:00Z"),
        ("Sun, 22 Nov 2026 10:30:00 EST", None, "2026-11-22T10:30:00-05:00"),
        ("22 Nov 2026, 10:30 -0800", None, "2026-11-22T10:30:00-08:00"),
        ("Nov 22, 2026 12:05 am", None, "2026-11-22T00:05:00"),
        ("Nov 22, 2026 at 12:05 p.m.", None, "2026-11-22T12:05:00"),
        ("6 pm, 22 November 2026", None, "2026-11-22T18:00:00"),
        ("22.11.2026, 10:30 Uhr", "de", "2026-11-22T10:30:00"),
        ("22/11/2026 à 9h05", "fr", "2026-11-22T09:05:00"),
    ],
)
def test_datetime_is_read_with_its_offset(text: str, locale: str | None, moment: str) -> None:
    """The offset of a time is kept; if the page gives no offset, the result has no offset."""
    assert read(text, field(DATETIME, locale), "") == moment


@pytest.mark.parametrize(
    ("text", "as_type", "why"),
    [
        ("soon", DATE, "'soon' contains no date"),
        ("", DATE, "contains no date"),
        ("22.11.26", DATE, "contains no date"),
        ("03/04/2026", DATE, "may begin with the day or the month; set locale or format"),
        ("31 February 2026", DATE, "a date that does not exist"),
        ("22 Nov 2026 – 24 Nov 2026", DATE, "contains 2 dates; select one with the field"),
        ("22 Nov 2026 and 2026-11-23", DATE, "contains 2 dates"),
        ("22 novembre 2026", DATE, "contains no date"),
        ("x" * 500, DATE, "is too long for a date"),
        ("2026-11-22", DATETIME, "2026-11-22 has no time of day; use the type date"),
        ("22 Nov 2026 25:00", DATETIME, "contains an invalid time of day"),
        ("22 Nov 2026 13 pm", DATETIME, "contains an invalid time of day"),
        ("22 Nov 2026 10:00 to 11:00", DATETIME, "contains 2 times of day"),
        ("3.11.2", DATE, "contains no date"),
        # Bare digits are no date, and no digits are left out.
        ("20261122", DATE, "contains no date"),
        ("1795305600", DATE, "contains no date"),
        ("22–24 Nov 2026", DATE, "has digits besides a date and a time"),
        ("22/23 Nov 2026", DATE, "has digits besides a date and a time"),
        ("22 Nov, 24 Nov 2026", DATE, "has digits besides a date and a time"),
        ("22 Nov | 24 Nov 2026", DATE, "has digits besides a date and a time"),
        ("22 Nov 2026, 5 comments", DATE, "has digits besides a date and a time"),
        ("2026-11-22 10", DATE, "has digits besides a date and a time"),
        ("22 Nov ²2026", DATE, "contains no date"),
        ("\u0662\u0662/\u0661\u0661/\u0662\u0660\u0662\u0666", DATE, "contains no date"),
        # Other calendars
        ("22/11/2569", DATE, "has the year 2569, which may be of another calendar"),
        ("1405/09/01", DATE, "has the year 1405, which may be of another calendar"),
        ("15 March 1044 BC", DATE, "has 'BC' next to its date"),
        ("农历2026年3月2日", DATE, "next to its date"),
    ],
)
def test_text_without_exactly_one_date_is_conversion_error(text: str, as_type: FieldType, why: str) -> None:
    """A text that does not contain exactly one valid date (and time) raises ConversionError."""
    with pytest.raises(ConversionError) as raised:
        read(text, field(as_type), "")
    assert why in str(raised.value)


def test_format_excludes_other_notations() -> None:
    """If a format is given, dates in this format are read, and other notations raise ConversionError."""
    assert read("22.11.26", field(DATE, date_format="%d.%m.%y"), "") == "2026-11-22"
    assert read("26326 07:08", field(DATETIME, date_format="%y%j %H:%M"), "") == "2026-11-22T07:08:00"
    with pytest.raises(ConversionError, match="'2026-11-22' does not match the format"):
        read("2026-11-22", field(DATE, date_format="%d.%m.%y"), "")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1795305600", "2026-11-22T00:00:00Z"),
        ("1795305600.5", "2026-11-22T00:00:00.500000Z"),
        ("1795305600000", "2026-11-22T00:00:00Z"),
        ("-86400", "1969-12-31T00:00:00Z"),
    ],
)
def test_seconds_since_1970_need_the_format(text: str, moment: str) -> None:
    """A text of digits is read as seconds (or milliseconds) since 1970 if the format is `%s`."""
    assert read(text, field(DATETIME, date_format="%s"), "") == moment
    with pytest.raises(ConversionError, match="'22 Nov' is not a number of seconds since 1970"):
        read("22 Nov", field(DATETIME, date_format="%s"), "")


def test_json_number_that_may_be_a_compact_date_needs_a_format() -> None:
    """The JSON number 20261122 is refused without a format, and read with one."""
    with pytest.raises(ConversionError, match="20261122 may be a date or seconds since 1970; set format"):
        read_number(20261122, field(DATE))
    assert read_number(20261122, field(DATE, date_format="%Y%m%d")) is None
    assert read("20261122", field(DATE, date_format="%Y%m%d"), "") == "2026-11-22"


@pytest.mark.parametrize(
    ("seconds", "day"), [(0, "1970-01-01"), (-86400, "1969-12-31"), (1795305600.5, "2026-11-22")]
)
def test_json_number_is_seconds_since_1970(seconds: float, day: str) -> None:
    """A JSON number in a date field is read as a number of seconds since 1970."""
    assert read_number(seconds, field(DATE)) == day


@pytest.mark.parametrize("seconds", [1e300, float("inf"), 10**400])
def test_number_outside_the_calendar_is_conversion_error(seconds: float) -> None:
    """A number outside the years 1 to 9999 raises ConversionError."""
    with pytest.raises(ConversionError, match="is not a number of seconds since 1970"):
        read_number(seconds, field(DATE))


@pytest.mark.parametrize("language", NAMES)
def test_each_language_has_twelve_months(language: str) -> None:
    """Each language has names for twelve months, and no name is used for two months."""
    months = [names.split() for names in NAMES[language].split("|")]
    assert len(months) == 12
    assert len({name for names in months for name in names}) == sum(map(len, months))


moments = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis requires a time without a zone here
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001 - hypothesis requires a time without a zone here
    timezones=st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)) if hours else UTC),
)


@many_examples
@given(moment=moments)
def test_iso_8601_rfc_5322_and_english_dates_are_read(moment: datetime) -> None:
    """A time in ISO 8601 or RFC 5322, and a date in English, are read as the same time and date."""
    read_back = str(read(moment.isoformat(), field(DATETIME), ""))
    assert datetime.fromisoformat(read_back) == moment
    whole = moment.replace(microsecond=0)
    assert datetime.fromisoformat(str(read(format_datetime(whole), field(DATETIME), ""))) == whole
    assert read(f"{moment:%B} {moment.day}, {moment.year}", field(DATE), "") == moment.date().isoformat()


@many_examples
@given(day=st.dates(), locale=st.sampled_from(Locale))
def test_month_names_of_every_language_are_read(day: date, locale: Locale) -> None:
    """A date with a month name of the locale's language is read, in the order day, month, year."""
    names = NAMES[locale.partition("-")[0]].split("|")
    text = f"{day.day} {names[day.month - 1].split()[0]} {day.year:04}"
    assert read(text, field(DATE, locale), "") == day.isoformat()


@many_examples
@given(
    text=st.text() | st.text("0123456789-/.:T+Z apmNovUC年月日", max_size=40),
    as_type=st.sampled_from([DATE, DATETIME]),
    locale=st.none() | st.sampled_from(Locale),
    date_format=st.none() | st.sampled_from(["%d.%m.%Y", "%Y-%m-%d %H:%M:%S %z", "%B %d %Y"]),
)
def test_any_text_is_a_date_or_conversion_error(
    text: str, as_type: FieldType, locale: str | None, date_format: str | None
) -> None:
    """Any text is converted to ISO 8601 or raises ConversionError, but never another exception."""
    with suppress(ConversionError):
        found = str(read(text, field(as_type, locale, date_format), ""))
        assert date.fromisoformat(found) if as_type is DATE else datetime.fromisoformat(found)
