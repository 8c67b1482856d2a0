"""Reads the time of day next to a date, with its zone. Pure.

The words next to the time are read as well. If one of them may change the time and is not understood, the
time is refused.
"""

import re
import unicodedata
from datetime import UTC, time, timedelta, timezone
from typing import NamedTuple

from contract.fields import Locale
from extraction.day_periods import Period, hour_of, period_pattern
from extraction.errors import ConversionError, quote

#: Stands for the date in the text around it.
DATE_MARK = "\n"
_CLOCK = re.compile(
    r"""(?<![\d:.,+\-−–~≈<>±/])(?:
        (?P<hour>[0-9]{1,2})(?:
            [:h](?P<minute>[0-9]{2})(?::(?P<second>[0-5][0-9]|60)(?:[.,](?P<part>[0-9]{1,9}))?)?
            (?:\ ?(?:Uhr|h|hrs|heures|horas|uur)\b)?
          | (?=\ ?[ap]\.?\ ?m\b)                                          # 6 pm
          | \ ?(?:Uhr|h|hrs|heures?)\b(?!\ ?[0-9])                        # 10 Uhr, 10h
          | \.(?P<minute2>[0-9]{2})\ ?Uhr\b                               # 10.30 Uhr
        )
      | (?P<hour3>[0-9]{1,2})\ ?[時时點点시]                              # 15時30分
        (?:\ ?(?P<minute3>[0-9]{1,2})\ ?[分분](?:\ ?(?P<second3>[0-9]{1,2})\ ?[秒초])?)?(?!\ ?[半반])
    )(?![\d:]|[.,]\d)""",
    re.VERBOSE | re.IGNORECASE,
)
_OFFSET = re.compile(
    r"""(?:,?[ ])?\(?(?:
        (?:GMT|UTC|UT|gmt|utc)
        (?P<sign>–|[ ]?[+\-−±])(?P<hours>[0-9]{1,2})(?::?(?P<minutes>[0-9]{2}))?
      | (?P<sign2>[+\-−])(?P<hours2>[0-9]{2})(?P<colon>:?)(?P<minutes2>[0-9]{2})
      | (?P<zone>Z|[A-Z]{2,5}|gmt|utc)(?![^\W_]|/)
    )\)?(?![\d:])(?:[ ]?\([^()\d]*\))?""",
    re.VERBOSE,
)
# Time zone abbreviations of RFC 5322 section 4.3, and those of Europe, with their offsets in hours.
_ZONES = {"Z": 0, "UT": 0, "UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3}
# Outside the USA these abbreviations have other meanings (CST is also China Standard Time), so they are
# understood only next to the name of a month, as in RFC 5322, or with the locale en-US.
_ZONES_OF_USA = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_ZONE_ELSEWHERE = re.compile(
    r"(?<![^\W_])(?:GMT|UTC|[ECMP][SD]?T|[CEW]E?ST|[CEW]ET|MSK|MSD|BST|IST|IDT|A[CEW][SD]T|NZ[SD]T|JST|KST|SGT"
    r"|HKT|PKT|WI[BT]|ICT|SAST|[CEW]AT|BRT|ART)(?![^\W_])|[A-Z][a-z]+/[A-Z][a-z]+|[+\-−][0-9]{2}:?[0-9]{2}(?!\d)"
)
_ZONE_IN_WORDS = re.compile(
    r"[ ,(]*(?:[\w/]+ ){0,3}\w*(?:time|zeit|tijd|heure de|hora de|ora di|czasu)\b", re.IGNORECASE
)
_NEXT_WORD = re.compile(r" ?(?P<word>[^\W\d_][\w'’]*)")
_LAST_WORD = re.compile(r"(?P<word>[^\W\d_]+)(?P<gap> ?)\Z")
_CJK = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_CJK_WEEKDAY = re.compile(
    r"(?:星期|周|週|礼拜|禮拜)[一二三四五六日天]|[日月火水木金土](?:曜日?)?|[월화수목금토일]요일"
)
_NEUTRAL = (
    "uhr h hrs hours heures heure horas hora ore uur godz klockan by von par por da di door przez av on in "
    "at am und and et y e en och i the den le el il mon tue tues wed thu thur thurs fri sat sun monday "
    "tuesday wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag samstag "
    "sonntag lundi mardi mercredi jeudi vendredi samedi dimanche lunes martes miércoles jueves viernes "
    "sábado domingo"
)
#: Words that may follow a time and do not change it.
_NEUTRAL_WORDS = frozenset(_NEUTRAL.split())


class Context(NamedTuple):
    """What the reading of a time depends on besides the text around the date.

    Attributes:
        text: the whole text, for messages.
        locale: determines abbreviations of a.m. and p.m.
        am_may_be_german: whether `am` before the date may be `on the`, as in `um 12:30 am 22. November`.
        usa: whether EST, CST and the like are the time zones of the USA.
    """

    text: str
    locale: Locale | None
    am_may_be_german: bool
    usa: bool


def is_time(text: str) -> bool:
    """Return whether a text contains a time of day."""
    return _CLOCK.search(text) is not None


def check_rest(text: str, rest: str) -> None:
    """Check that a text has no digits besides those of its date and of times of day.

    Args:
        text: the text, for the message.
        rest: the text with `DATE_MARK` in place of its date.

    Raises:
        ConversionError: if there are other digits.
    """
    position, parts = 0, list[str]()
    for clock in _CLOCK.finditer(rest):
        if clock.start() >= position:
            parts.append(rest[position : clock.start()])
            offset = _OFFSET.match(rest, clock.end())
            position = clock.end() if offset is None else offset.end()
    _check_digits(text, "".join([*parts, rest[position:]]))


def read_time(rest: str, context: Context) -> time | None:
    """Return the time of day next to a date, or None if there is none.

    Args:
        rest: the text with `DATE_MARK` in place of its date, and single spaces.
        context: what the reading depends on.

    Raises:
        ConversionError: if there are several times of day, or if something next to the time may change it.
    """
    clocks = list(_CLOCK.finditer(rest))
    if not clocks:
        _check_digits(context.text, rest)
        return None
    if len(clocks) > 1:
        raise ConversionError(
            f"{quote(context.text)} contains {len(clocks)} times of day; select one with the field's key `re`"
        )
    [clock] = clocks
    hour, start, end = _hour(rest, clock, context)
    offset = _OFFSET.match(rest, end)
    if offset is not None and (offset["zone"] or "").lower() in _NEUTRAL_WORDS:
        offset = None
    zone = None if offset is None else _zone(clock, offset, context)
    after = rest[end if offset is None else offset.end() :]
    _check_surroundings(context.text, rest[:start], after, has_zone=zone is not None)
    minute = clock["minute"] or clock["minute2"] or clock["minute3"] or 0
    second = clock["second"] or clock["second3"] or 0
    micros = int((clock["part"] or "0")[:6].ljust(6, "0"))
    try:
        return time(hour, int(minute), int(second), micros, zone)
    except ValueError:
        raise ConversionError(f"{quote(context.text)} contains an invalid time of day") from None


def _hour(rest: str, clock: re.Match[str], context: Context) -> tuple[int, int, int]:
    """Return the hour from 0 to 23, and where the time begins and ends with its part of the day."""
    hour, (start, end) = int(clock["hour"] or clock["hour3"]), clock.span()
    understood = False
    for word in period_pattern(context.locale).finditer(rest):
        follows = word.start() >= clock.end() and rest[clock.end() : word.start()] in {"", " "}
        precedes = word.end() <= clock.start() and rest[word.end() : clock.start()] in {"", " "}
        before_date = rest[word.end() :].lstrip(" ").startswith(DATE_MARK) or context.locale is Locale.DE
        if word[0].lower() == "am" and (not follows or (before_date and context.am_may_be_german)):
            if follows and hour == 12:
                raise ConversionError(f"{quote(context.text)} has 'am', which may be German; set format")
            end = word.end() if follows else end
            continue
        found = hour_of(hour, Period(word.lastgroup))
        if found is None and (follows or precedes) and word.lastgroup in {"am", "pm"}:
            raise ConversionError(f"{quote(context.text)} contains an invalid time of day")
        if found is None or understood or not (follows or precedes or found == hour > 12):
            raise _refusal(context.text, word[0])
        hour, understood = found, True
        start, end = word.start() if precedes else start, word.end() if follows else end
    return hour, start, end


def _zone(clock: re.Match[str], offset: re.Match[str], context: Context) -> timezone:
    name = offset["zone"]
    if name is not None:
        hours_of_zone = (_ZONES | _ZONES_OF_USA if context.usa else _ZONES).get(name.upper())
        if hours_of_zone is None:
            raise ConversionError(
                f"{quote(context.text)} has the time zone {name}, which is unknown or has several meanings"
            )
        return timezone(timedelta(hours=hours_of_zone)) if hours_of_zone else UTC
    hours = int(offset["hours"] or offset["hours2"])
    minutes = int(offset["minutes"] or offset["minutes2"] or 0)
    sign = str(offset["sign"] or offset["sign2"]).strip()
    may_be_a_range = sign not in "+±" and offset["colon"] and not clock["second"]  # 10:30-11:30
    if may_be_a_range or hours > 23 or minutes > 59 or (sign == "±" and hours + minutes > 0):
        raise _refusal(context.text, offset[0])
    difference = timedelta(hours=hours, minutes=minutes)
    return timezone(difference if sign == "+" else -difference) if difference else UTC


def _check_surroundings(text: str, before: str, after: str, *, has_zone: bool) -> None:
    word = _NEXT_WORD.match(after)
    if word is not None and word["word"].lower() not in _NEUTRAL_WORDS:
        raise _refusal(text, word["word"])
    if after[:1] in {"-", "–", "—", "~", "+"}:
        raise _refusal(text, after[:1])
    if not has_zone:
        elsewhere = (_ZONE_ELSEWHERE.search(part) for part in (before, after))
        for zone in (_ZONE_IN_WORDS.match(after), *elsewhere):
            if zone is not None:
                raise _refusal(text, zone[0])
    word = _LAST_WORD.search(before[-60:])
    if word is not None and not _CJK_WEEKDAY.fullmatch(word["word"]):
        touches, is_cjk = not word["gap"], _CJK.search(word["word"]) is not None
        if touches or is_cjk:
            raise _refusal(text, word["word"])
    _check_digits(text, before + after)


def _check_digits(text: str, rest: str) -> None:
    if any(each.isdigit() or unicodedata.category(each) in {"No", "Nl"} for each in rest):
        raise ConversionError(
            f"{quote(text)} has digits besides a date and a time; select one with the field's key `re`"
        )


def _refusal(text: str, what: str) -> ConversionError:
    return ConversionError(
        f"{quote(text)} has {quote(what)} next to its time of day, which may change it; select the time "
        "with the field's key `re`"
    )
