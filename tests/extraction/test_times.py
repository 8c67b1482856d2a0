"""Tests that a time of day is read together with what stands next to it, and never as another time."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.fields import Locale
from contract.recipe import RecipeField
from extraction.errors import ConversionError
from extraction.months import NAMES
from extraction.values import read
from tests.extraction.many_examples import many_examples


def moment(text: str, locale: str | None = None) -> str:
    """Return a text converted to a datetime."""
    field = RecipeField.model_validate({"css": "p", "type": "datetime", "locale": locale})
    return str(read(text, field, ""))


@pytest.mark.parametrize(
    ("text", "locale", "time"),
    [
        # Parts of the day, in the languages of the locales and in Chinese, Japanese and Korean
        ("22 Nov 2026 at 3:30 in the afternoon", None, "15:30:00"),
        ("22.11.2026 um 3:30 Uhr nachmittags", "de", "15:30:00"),
        ("22.11.2026, 7:30 Uhr abends", "de", "19:30:00"),
        ("22 de noviembre de 2026 a las 3:30 de la tarde", "es", "15:30:00"),
        ("22 de noviembre de 2026, 3:30 p. m.", "es", "15:30:00"),
        ("22/11/2026 à 8h30 du soir", "fr", "20:30:00"),
        ("22/11/2026 à 3h30 de l’après-midi", "fr", "15:30:00"),
        ("22/11/2026 alle 3:30 di pomeriggio", "it", "15:30:00"),
        ("22 november 2026 om 3:30 's middags", "nl", "15:30:00"),
        ("22 november 2026 om 3:30 n.m.", "nl", "15:30:00"),
        ("22 listopada 2026 o 3:30 po południu", "pl", "15:30:00"),
        ("22 de novembro de 2026 às 10h30 da noite", "pt", "22:30:00"),
        ("22 november 2026 kl. 3:30 em", "sv", "15:30:00"),
        ("22 november 2026 kl. 9:30 på förmiddagen", "sv", "09:30:00"),
        ("2026年11月22日下午3:30", None, "15:30:00"),
        ("2026年11月22日 午後3:30", None, "15:30:00"),
        ("2026/11/22 下午 03:30", None, "15:30:00"),
        ("2026年11月22日上午9:30", None, "09:30:00"),
        ("2026年11月22日下午15:30", None, "15:30:00"),
        ("2026년 11월 22일 오후 3시 30분", None, "15:30:00"),
        ("2026年11月22日(日) 15時30分20秒", None, "15:30:20"),
        ("2026年11月22日 星期日 15:30", None, "15:30:00"),
        # In German, `am` is `on the`.
        ("um 15:30 am 22. November 2026", None, "15:30:00"),
        ("um 3:30 am 22. November 2026", "de", "03:30:00"),
        ("12:05 am Nov 22, 2026", None, "00:05:00"),
        ("22 Nov 2026 12:05 am", None, "00:05:00"),
        # Offsets and zones
        ("22 Nov 2026, 10:30 GMT+2", None, "10:30:00+02:00"),
        ("22 Nov 2026 10:30 UTC-5", None, "10:30:00-05:00"),
        ("22 Nov 2026 10:30 UTC−5", None, "10:30:00-05:00"),
        ("22 Nov 2026 10:30 UTC+5:30", None, "10:30:00+05:30"),
        ("22 Nov 2026 10:30 UTC+0530", None, "10:30:00+05:30"),
        ("22 Nov 2026 10:30 (UTC +1)", None, "10:30:00+01:00"),
        ("22 Nov 2026 10:30, UTC", None, "10:30:00Z"),
        ("22 Nov 2026 10:30 UTC±0", None, "10:30:00Z"),
        ("11/22/2026, 10:30:00 AM GMT-3", None, "10:30:00-03:00"),
        ("Sun Nov 22 2026 10:30:00 GMT+0200 (Central European Time)", None, "10:30:00+02:00"),
        ("22 Nov 2026 10:30 CEST", None, "10:30:00+02:00"),
        ("11/22/2026 10:30 CST", "en-US", "10:30:00-06:00"),
        ("2026-11-22T10:30-11:00", None, "10:30:00-11:00"),
        ("2026-11-22 10:30:00-11:00", None, "10:30:00-11:00"),
        # Words that do not change the time
        ("22.11.2026, 10.30 Uhr", "de", "10:30:00"),
        ("22.11.2026 10 Uhr von Ann", "de", "10:00:00"),
        ("22.11.2026 в 15:30", None, "15:30:00"),
        ("22 Nov 2026 10:30, by Ann · 3 comments", None, "10:30:00"),
    ],
)
def test_time_is_read_with_what_stands_next_to_it(text: str, locale: str | None, time: str) -> None:
    """Words for parts of the day, offsets and zones next to a time are part of it."""
    assert moment(text, locale) == f"2026-11-22T{time}"


@pytest.mark.parametrize(
    ("text", "locale", "why"),
    [
        ("22 Nov 2026 10:30 IST", None, "has the time zone IST, which is unknown or has several meanings"),
        ("22 Nov 2026 10:30 BST", None, "has the time zone BST"),
        ("2026-11-22 10:30 CST", None, "has the time zone CST"),
        ("22 Nov 2026 10:30 CET/CEST", None, "next to its time of day"),
        ("22 Nov 2026 10:30 Eastern Time", None, "has 'Eastern' next to its time of day"),
        ("22 Nov 2026 10:30 (local time)", None, "next to its time of day"),
        ("22 Nov 2026 (MSK) 10:30", None, "has 'MSK' next to its time of day"),
        ("22 Nov 2026 10:30 +2", None, "has digits besides a date and a time"),
        ("22 Nov 2026 10:00-11:00", None, "has '-11:00' next to its time of day"),
        ("2026-11-22 10:30-11:30", None, "has '-11:30' next to its time of day"),
        ("22 Nov 2026 10:30 UTC+25", None, r"has 'UTC\+25' next to its time of day"),
        ("22 Nov 2026 ~10:30", None, "has digits besides a date and a time"),
        ("22 Nov 2026 10:30.5", None, "has digits besides a date and a time"),
        ("Sunday afternoon, 22 Nov 2026 3:30", None, "has 'afternoon' next to its time of day"),
        ("22 Nov 2026 3:30 iltapäivällä", None, "has 'iltapäivällä' next to its time of day"),
        ("22.11.2026 3:30 вечера", None, "has 'вечера' next to its time of day"),
        ("22/11/2026 à 2h du soir", "fr", "has 'du soir' next to its time of day"),
        ("22 Nov 2026 11:30 at night", None, "has 'at night' next to its time of day"),
        ("2026年11月22日 深夜3:30", None, "has '深夜' next to its time of day"),
        ("2026年11月22日 上午12:30", None, "has '上午' next to its time of day"),
        ("2026年11月22日 上午15:30", None, "has '上午' next to its time of day"),
        ("2026年11月22日 不明3:30", None, "has '不明' next to its time of day"),
        ("2026年11月22日3時半", None, "has digits besides a date and a time"),
        ("um 12:30 am 22. November 2026", "de", "has 'am', which may be German"),
        ("22 Nov 2026 10:30 [Europe/Berlin]", None, "has 'Europe/Berlin' next to its time of day"),
        ("22 Nov 2026 10:30-", None, "has '-' next to its time of day"),
        ("22.11.2026 24:00", None, "contains an invalid time of day"),
    ],
)
def test_time_next_to_what_may_change_it_is_refused(text: str, locale: str | None, why: str) -> None:
    """What is not understood next to a time raises ConversionError, whose message quotes it."""
    with pytest.raises(ConversionError, match=why):
        moment(text, locale)


#: For each language, how a time before noon, after noon and in the evening is written on a clock of 12 hours.
PERIODS = {
    "en": ("{} a.m.", "{} pm", "{} in the evening"),
    "de": ("{} Uhr vormittags", "{} Uhr nachmittags", "{} abends"),
    "es": ("{} a. m.", "{} de la tarde", "{} de la noche"),
    "fr": ("{} du matin", "{} de l'après-midi", "{} du soir"),
    "it": ("{} del mattino", "{} del pomeriggio", "{} di sera"),
    "nl": ("{} 's ochtends", "{} 's middags", "{} 's avonds"),
    "pl": ("{} rano", "{} po południu", "{} wieczorem"),
    "pt": ("{} da manhã", "{} da tarde", "{} da noite"),
    "sv": ("{} fm", "{} em", "{} på kvällen"),
    "zh": ("上午{}", "下午{}", "晚上{}"),
    "ja": ("午前{}", "午後{}", "夜{}"),
    "ko": ("오전 {}", "오후 {}", "저녁 {}"),
}
OFFSETS = {
    "": None, " GMT+2": 2, " UTC-5": -5, " (UTC+5:30)": 5.5, " GMT+0200": 2, " -0800": -8, " +01:00": 1,
    " UTC": 0, " CET": 1, " IST": 5.5, " BST": 1, " MSK": 3, " UTC−3": -3, " GMT": 0, " Z": 0,
}  # fmt: skip
BEFORE = ["", "Published: ", "am ", "von Ann, ", "~", "~ ", "(", "3 | ", "10. "]
AFTER = [
    "",
    ".",
    " by Ann",
    ", Ann",
    " | 3 comments",
    " · 5 min",
    ")",
    " – 11:30",
    " - 12:00",
    " x",
    " Uhr",
    " (2)",
]
moments = st.datetimes(
    min_value=datetime(1901, 1, 1),  # noqa: DTZ001 - hypothesis requires a time without a zone here
    max_value=datetime(2199, 12, 31),  # noqa: DTZ001 - hypothesis requires a time without a zone here
).map(lambda each: each.replace(second=0, microsecond=0))


def _day(when: datetime, language: str) -> str:
    if language in {"zh", "ja"}:
        return f"{when.year}年{when.month}月{when.day}日"
    if language == "ko":
        return f"{when.year}년 {when.month}월 {when.day}일"
    return f"{when.day} {NAMES[language].split('|')[when.month - 1].split()[0]} {when.year}"


def _time(when: datetime, language: str, *, of_12_hours: bool) -> str:
    if not of_12_hours:
        return f"{when:%H:%M}"
    form = PERIODS[language][0 if when.hour < 12 else 1 if when.hour < 18 else 2]
    return form.format(f"{when.hour % 12 or 12}:{when:%M}")


@many_examples
@given(
    when=moments,
    language=st.sampled_from(list(PERIODS)),
    offset=st.sampled_from(list(OFFSETS)),
    of_12_hours=st.booleans(),
    time_first=st.booleans(),
    noise=st.tuples(st.sampled_from(BEFORE), st.sampled_from(AFTER)),
    hinted=st.booleans(),
)
def test_time_with_noise_is_the_time_or_refused(
    *,
    when: datetime,
    language: str,
    offset: str,
    of_12_hours: bool,
    time_first: bool,
    noise: tuple[str, str],
    hinted: bool,
) -> None:
    """A date and a time in any locale's notation, with noise around it, are read as they are, or refused."""
    parts = [_day(when, language), _time(when, language, of_12_hours=of_12_hours) + offset]
    text = noise[0] + " ".join(reversed(parts) if time_first else parts) + noise[1]
    hours = OFFSETS[offset]
    zone = None if hours is None else timezone(timedelta(hours=hours)) if hours else UTC
    with suppress(ConversionError):
        found = moment(text, language if hinted and language in set(Locale) else None)
        assert datetime.fromisoformat(found) == when.replace(tzinfo=zone), text


@many_examples
@given(when=moments, language=st.sampled_from(list(PERIODS)), of_12_hours=st.booleans())
def test_plain_time_is_read_with_its_locale(*, when: datetime, language: str, of_12_hours: bool) -> None:
    """Without noise, a date and a time from 5 a.m. on are read, except where 12 is not certain."""
    when = when.replace(hour=when.hour % 19 + 5)
    if when.hour in {12, 17} and of_12_hours:
        when = when.replace(hour=13)
    if language == "ja" and of_12_hours:
        when = when.replace(hour=min(when.hour, 17))
    text = f"{_day(when, language)} {_time(when, language, of_12_hours=of_12_hours)}"
    assert moment(text, language if language in set(Locale) else None) == when.isoformat()
