"""Lists the words for the parts of a day that stand next to a time of day. Pure.

`3:30` in the afternoon is 15:30. So such a word is understood, or the time is refused.
"""

import re
from enum import Enum
from functools import lru_cache

from contract.fields import Locale


class Period(Enum):
    """A part of the day, as the hours of a clock of twelve hours that it may stand with."""

    AM = "am"  #: a.m.: from 12 (midnight) to 11
    PM = "pm"  #: p.m.: from 12 (noon) to 11
    MORNING = "morning"  #: from 1 to 11
    AFTERNOON = "afternoon"  #: from 12 to 11 p.m.
    EVENING = "evening"  #: from 5 to 11 p.m.
    UNCLEAR = "unclear"  #: night, noon, midnight: the hours depend on the country


_WORDS = {
    Period.AM: (r"a\.? ?m\b\.?",),
    Period.PM: (r"p\.? ?m\b\.?",),
    Period.MORNING: (
        *("in the morning", "vormittags", "morgens", r"vorm\.", "früh", "du matin", "matin", "di mattina"),
        *(
            "del mattino",
            "mattina",
            "de la mañana",
            "de la madrugada",
            "'s ochtends",
            "'s morgens",
            "voormiddag",
        ),
        *("rano", "przed południem", "da manhã", "de manhã", "da madrugada", "på morgonen"),
        *(
            "på förmiddagen",
            "förmiddag",
            "上午",
            "午前",
            "早上",
            "早晨",
            "清晨",
            "凌晨",
            "오전",
            "새벽",
            "아침",
        ),
    ),
    Period.AFTERNOON: (
        *("in the afternoon", "afternoon", "nachmittags", r"nachm\.", "de l['’]après-midi", "après-midi"),
        *("di pomeriggio", "del pomeriggio", "pomeriggio", "de la tarde", "'s middags", "namiddag"),
        *("po południu", "da tarde", "på eftermiddagen", "eftermiddag", "下午", "午後", "午后", "오후"),
    ),
    Period.EVENING: (
        *("in the evening", "evening", "abends", "du soir", "soir", "di sera", "sera", "de la noche"),
        *("'s avonds", "wieczorem", r"wiecz\.", "da noite", "på kvällen", "晚上", "傍晚", "夜晚", "저녁"),
    ),
    Period.UNCLEAR: (
        *("at night", "midnight", "midday", "noon", "morning", "mittags", "mitternacht", "nachts", "nacht"),
        *("midi", "minuit", "de la nuit", "nuit", "mediodía", "medianoche", "mañana", "tarde", "noche"),
        *("mezzogiorno", "mezzanotte", "di notte", "notte", "'s nachts", "middernacht", "middag", "ochtend"),
        *("avond", "w nocy", "południe", "północ", "meio-dia", "meia-noite", "manhã", "noite", "midnatt"),
        *("natt", "natten", "kväll", "中午", "正午", "半夜", "深夜", "夜里", "夜", "朝", "昼", "晩", "晚"),
        *("정오", "자정", "밤", "утра", "дня", "вечера", "ночи", "утром", "вечером", "ص", "م"),
    ),
}
#: Abbreviations that are other words in other languages: `em` is `in` in Portuguese.
_WORDS_OF_LANGUAGES: dict[Locale, dict[Period, tuple[str, ...]]] = {
    Locale.SV: {Period.AM: (r"f\.?m\b\.?",), Period.PM: (r"e\.?m\b\.?",)},
    Locale.NL: {Period.AM: (r"v\.?m\b\.?",), Period.PM: (r"n\.?m\b\.?",)},
}
_HOURS = {
    Period.AM: {12: 0} | {hour: hour for hour in range(1, 12)},
    Period.PM: {12: 12} | {hour: hour + 12 for hour in range(1, 12)},
    Period.MORNING: {hour: hour for hour in range(1, 12)},
    Period.AFTERNOON: {12: 12} | {hour: hour + 12 for hour in range(1, 12)},
    Period.EVENING: {hour: hour + 12 for hour in range(5, 12)},
    Period.UNCLEAR: {},
}


@lru_cache(maxsize=32)
def period_pattern(locale: Locale | None) -> re.Pattern[str]:
    """Return a pattern of all words for parts of the day; the name of the matching group is the period."""
    own = {} if locale is None else _WORDS_OF_LANGUAGES.get(locale, {})
    groups = (
        rf"(?P<{period.value}>{'|'.join((*words, *own.get(period, ())))})" for period, words in _WORDS.items()
    )
    return re.compile(rf"(?<![A-Za-zÀ-žа-я])(?:{'|'.join(groups)})(?![A-Za-zÀ-žа-я])", re.IGNORECASE)


def hour_of(hour: int, period: Period) -> int | None:
    """Return the hour from 0 to 23 of an hour in a part of the day; None if they contradict each other.

    An hour of a clock of 24 hours is accepted after noon, as in `22.11.2026 15:30 nachmittags`.
    """
    if hour > 12 and period not in {Period.AM, Period.PM, Period.MORNING}:
        return hour
    return _HOURS[period].get(hour)
