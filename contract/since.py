"""Decides which entries of a sitemap or feed are older than a crawl's `since`. Pure."""

import calendar
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated

from pydantic import AfterValidator

from contract.quoting import quote

MAX_DATE_CHARACTERS = 100  #: maximum number of characters of a date that is read
_DURATION = re.compile(r"([0-9]{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# The W3C's profile of ISO 8601, which sitemaps use, has these precisions: https://www.w3.org/TR/NOTE-datetime
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")


def check_since(text: str) -> str:
    """Return `text` if it is a duration or a time.

    Raises:
        ValueError: if it is neither.
    """
    text = text.strip()
    cutoff(text, datetime(2000, 1, 1, tzinfo=UTC))
    return text


def cutoff(since: str, now: datetime) -> datetime:
    """Return the time before which entries are too old.

    Args:
        since: a duration before `now` such as `90m`, `12h`, `7d` or `2w`, a date (its beginning in UTC), or
            a time with a time zone (RFC 3339).
        now: the time of the run, with a time zone.

    Raises:
        ValueError: if `since` is none of these.
    """
    try:
        if duration := _DURATION.fullmatch(since):
            return now - timedelta(**{_UNITS[duration[2]]: int(duration[1])})
        time = datetime.fromisoformat(since)
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", since):
            return time.replace(tzinfo=UTC)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    forms = "a duration such as 7d or 12h, a date such as 2026-11-22, or a time such as 2026-11-22T06:00:00Z"
    raise ValueError(f"must be {forms} (got {quote(since, 40)})")


def is_older(lastmod: str, time: datetime) -> bool:
    """Return whether an entry was last changed before `time`; False if that is not known.

    Args:
        lastmod: the time of the last change as a sitemap, RSS or Atom has it. A year, a month or a day counts
            to its end, and a time without a time zone is in UTC.
        time: a time with a time zone.
    """
    changed = _last_moment(lastmod.strip()) if len(lastmod) <= MAX_DATE_CHARACTERS else None
    return changed is not None and changed < time


def _last_moment(text: str) -> datetime | None:
    """Return the last moment that a date or time stands for; None if it is unreadable."""
    try:
        if date := _DATE.fullmatch(text):
            year, month = int(date[1]), int(date[2] or 12)
            day = int(date[3]) if date[3] else calendar.monthrange(year, month)[1]
            return datetime(year, month, day, tzinfo=UTC) + timedelta(days=1, microseconds=-1)
        time = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


Since = Annotated[str, AfterValidator(check_since)]
