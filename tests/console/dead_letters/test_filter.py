"""Tests of filters of dead letters."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.dead_letters.choice import needs_new_job
from console.dead_letters.filter import KEYS, DeadLetterFilter, read_filter
from console.errors import UsageError
from console.ledger.dead_letter_rows import NO_OUTCOME, DeadLetter
from contract.outcome import RENAMED_REASONS, Reason

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LETTER = DeadLetter(
    message_id="17",
    job_id="0123",
    run_id="books-1",
    crawl="books",
    url="https://shop.example/a,b",
    host="shop.example",
    recipe="book",
    attempts=10,
    last_reason="http_5xx",
    http_status=503,
    detail="",
    cause="page",
    dead_at="2026-11-30T10:00:00.000000Z",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("reason=http_503", True),
        ("reason=http_5xx", True),
        ("reason=http_500", False),
        ("reason=http_500,http_503", True),
        ("reason=http_404", False),
        ("reason=timeout,dns", False),
        ("host=shop.example", True),
        ("host=example", False),
        ("run=books-1 crawl=books job=0123 message=17 recipe=book cause=page", True),
        ("run=books-2", False),
        ("url=/a,b", True),
        ("url=/b", False),
        ("older=2h", True),
        ("older=121m", False),
        ("newer=2h", True),
        ("newer=7199s", False),
        ("older=1h newer=1d", True),
        ("reason=http_503 host=other.example", False),
    ],
)
def test_filter_selects_dead_letters(text: str, expected: bool) -> None:
    """A dead letter must match all keys of a filter, and one value of each key."""
    assert read_filter(text).matches(LETTER, NOW) is expected


@pytest.mark.parametrize(
    ("letter", "text"),
    [
        (LETTER._replace(last_reason=""), "reason=no_outcome"),
        (LETTER._replace(last_reason="", cause="message"), "reason=bad_job"),
        (LETTER._replace(last_reason="ok"), "reason=publish_unconfirmed"),
        (LETTER._replace(last_reason="http_4xx", http_status=418), "reason=http_418"),
        (LETTER._replace(last_reason="http_other", http_status=204), "reason=http_204"),
        (LETTER._replace(last_reason="http_404", http_status=404), "reason=http_404"),
        (LETTER._replace(last_reason="queued_too_long"), "reason=late"),
    ],
)
def test_reasons_of_dead_letters_are_those_that_the_list_shows(letter: DeadLetter, text: str) -> None:
    """A dead letter without an outcome has a reason, too, and an HTTP status selects its class's letters."""
    assert read_filter(text).matches(letter, NOW)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raeson=timeout", "A filter has no key 'raeson'. Did you mean reason?"),
        ("timeout", "A filter has no key 'timeout'."),
        ("reason=time_out", "There is no reason 'time_out'. Did you mean timeout?"),
        ("reason=http_603", "There is no reason 'http_603'."),
        ("cause=infrastruct", "There is no cause 'infrastruct'. Did you mean infrastructure?"),
        ("older=soon", "'soon' is no duration; write a number and a unit (s, m, h, d or w), for example 2h."),
        ("reason=", "The filter's key reason has no value; write for example reason=timeout."),
        ("host=a host=b", "The filter has the key host twice; separate several values by commas"),
        ("url=" + "x" * 20_000, "The filter has 20004 characters; the maximum is 10000."),
    ],
)
def test_faulty_filter_is_reported_with_what_was_meant(text: str, message: str) -> None:
    """The message says what is wrong, and which key or reason was probably meant."""
    with pytest.raises(UsageError, match=re.escape(message)):
        read_filter(text)


@pytest.mark.parametrize(("cause", "expected"), [("page", True), ("infrastructure", False)])
def test_job_that_the_infrastructure_killed_needs_no_new_job(cause: str, expected: bool) -> None:
    """A field that was missing at one attempt does not prevent a replay if workers failed at the others."""
    assert needs_new_job(LETTER._replace(last_reason="missing_field", cause=cause)) is expected


words = st.text(
    st.characters(codec="utf-8", exclude_categories=("Z", "C"), exclude_characters=",="), min_size=1
)
durations = st.builds(lambda n, unit: f"{n}{unit}", st.integers(0, 999_999), st.sampled_from("smhdw"))
reasons = st.sampled_from(
    [*map(str, Reason), *RENAMED_REASONS, NO_OUTCOME, "http_503", "http_418", "http_300"]
)
VALUES = {
    "reason": reasons,
    "cause": st.sampled_from(["page", "message", "infrastructure"]),
    "older": durations,
    "newer": durations,
}


@st.composite
def filter_texts(draw: st.DrawFn) -> str:
    """Draw the text of a valid filter."""
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True))
    terms = [(key, draw(st.lists(VALUES.get(key, words), min_size=1, max_size=3))) for key in keys]
    return "  ".join(f"{key}={','.join(values)}" for key, values in terms)


@given(filter_texts())
def test_filter_is_read_from_its_own_text(text: str) -> None:
    """A filter's text can be read again and gives the same filter, so the operator log can be repeated."""
    found = read_filter(text)
    assert read_filter(str(found)) == found
    assert isinstance(found.matches(LETTER, NOW), bool)


@given(st.one_of(st.text(), st.builds("{}={}".format, st.sampled_from(KEYS), st.text())))
def test_any_text_is_a_filter_or_a_usage_error(text: str) -> None:
    """No text raises anything but UsageError."""
    with suppress(UsageError):
        read_filter(text).matches(LETTER, NOW)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9)))
def test_older_and_newer_split_the_dead_letters(age: timedelta) -> None:
    """Each dead letter is older or newer than a duration."""
    letter = LETTER._replace(dead_at=(NOW - age).isoformat())
    older, newer = (DeadLetterFilter({key: ("3d",)}).matches(letter, NOW) for key in ("older", "newer"))
    assert older or newer
    assert older == (age >= timedelta(days=3))
