"""Tests for how long the answers of DNS servers are kept, and how many, with times given by the test."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guarded_http.dns_answers import (
    FAILURE_SECONDS,
    MAX_ABSENCE_SECONDS,
    MAX_TTL_SECONDS,
    MIN_TTL_SECONDS,
    AnswerCache,
    DnsAnswer,
    absent,
    failed,
    found,
)

ADDRESSES = ("192.0.2.1",)
WEEK = 7 * 86_400


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (found(ADDRESSES, 60), 60),
        (found(ADDRESSES, 0), MIN_TTL_SECONDS),
        (found(ADDRESSES, WEEK), MAX_TTL_SECONDS),
        (absent("no such name", 5), 5),
        (absent("no such name", 0), MIN_TTL_SECONDS),
        (absent("no such name", WEEK), MAX_ABSENCE_SECONDS),
        (failed("SERVFAIL"), FAILURE_SECONDS),
    ],
)
def test_answer_is_kept_for_its_ttl_within_bounds(answer: DnsAnswer, seconds: float) -> None:
    """An answer is kept for its TTL, but not shorter or longer than the bounds of its kind."""
    cache = AnswerCache()
    cache.put("shop.example", answer, 1000.0)
    assert cache.get("shop.example", 1000.0 + seconds - 0.001) == answer
    assert cache.get("shop.example", 1000.0 + seconds) is None
    assert len(cache) == 0


def test_least_recently_used_name_is_dropped_from_a_full_cache() -> None:
    """A full cache keeps the names that were used last."""
    cache = AnswerCache(max_names=2)
    cache.put("a.example", found(ADDRESSES, 60), 0.0)
    cache.put("b.example", found(ADDRESSES, 60), 1.0)
    assert cache.get("a.example", 2.0)
    cache.put("c.example", failed("SERVFAIL"), 3.0)
    assert [bool(cache.get(f"{name}.example", 4.0)) for name in "abc"] == [True, False, True]


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.floats(0, 400), st.booleans(), st.floats(0, 50)), max_size=60
    )
)
def test_cache_is_bounded_and_returns_only_fresh_answers(steps: list[tuple[str, float, bool, float]]) -> None:
    """Whatever is stored and read: at most `max_names` names are kept, and no answer outlives its time."""
    cache, now = AnswerCache(max_names=3), 0.0
    stored: dict[str, tuple[float, DnsAnswer]] = {}
    for name, ttl, is_read, pause in steps:
        now += pause
        if is_read:
            answer = cache.get(name, now)
            assert answer is None or (answer == stored[name][1] and now < stored[name][0])
        else:
            answer = found((name,), ttl)
            stored[name] = now + answer.seconds, answer
            cache.put(name, answer, now)
            assert cache.get(name, now) == answer
        assert len(cache) <= 3
