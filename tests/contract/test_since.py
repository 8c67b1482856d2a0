"""Tests of `since`: its forms, and which entries it leaves out."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.since import check_since, cutoff, is_older

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("90m", "2026-11-22T04:30:00+00:00"),
        ("12h", "2026-11-21T18:00:00+00:00"),
        ("7d", "2026-11-15T06:00:00+00:00"),
        ("2w", "2026-11-08T06:00:00+00:00"),
        ("2026-11-20", "2026-11-20T00:00:00+00:00"),
        ("2026-11-20T08:00:00+02:00", "2026-11-20T06:00:00+00:00"),
        ("2026-11-20T06:00:00Z", "2026-11-20T06:00:00+00:00"),
    ],
)
def test_since_is_a_duration_a_date_or_a_time(since: str, expected: str) -> None:
    """Every form gives a time in UTC; a duration is counted back from the time of the run."""
    assert cutoff(check_since(f" {since} "), NOW).isoformat() == expected


@pytest.mark.parametrize(
    "since", ["", "7", "7 d", "-7d", "999999w", "yesterday", "2026-11", "2026-11-20T06:00"]
)
def test_other_since_is_refused(since: str) -> None:
    """What is no duration, date, or time with a time zone is refused with the forms that are accepted."""
    with pytest.raises(ValueError, match="must be a duration such as 7d or 12h"):
        check_since(since)


@pytest.mark.parametrize(
    ("lastmod", "expected"),
    [
        ("2026-11-21", True),
        ("2026-11-22", False),
        ("2026-10", True),
        ("2026-11", False),
        ("2025", True),
        ("2026", False),
        ("2026-11-22T05:59:59Z", True),
        ("2026-11-22T05:59Z", True),
        ("2026-11-22T06:00:00.5Z", False),
        ("2026-11-22T07:59:00+02:00", True),
        ("2026-11-22T05:59:59", True),
        ("Sun, 22 Nov 2026 05:59:59 GMT", True),
        ("Sun, 22 Nov 2026 06:00:00 +0000", False),
        ("Sun, 22 Nov 2026 00:59:59 EST", True),
        ("", False),
        ("yesterday", False),
        ("2026-13-01", False),
        ("2" * 1000, False),
    ],
)
def test_entry_is_older_if_all_of_its_last_change_is_before(lastmod: str, expected: bool) -> None:
    """A date counts to its end, and what is missing or unreadable is not older."""
    assert is_older(lastmod, NOW) is expected


@given(st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:+.Z-]{0,20}"))
def test_no_lastmod_raises_an_exception(lastmod: str) -> None:
    """Whatever a site writes as the time of the last change, it is older or not."""
    assert is_older(lastmod, NOW) in {True, False}
