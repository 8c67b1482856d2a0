"""Tests of the forecast of a run's cost."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.money.forecast import OLD_DAYS, RUN_PRICES, dollars, forecast, prices_line
from console.money.prices import MEMORY, VCPU, oldest_day


@given(st.integers(0, 10**6), st.integers(300, 64_000), st.floats(0, 10**6))
def test_likely_is_between_low_and_high(pages: int, job_bytes: int, seconds: float) -> None:
    """Whatever a crawl is, low ≤ likely ≤ high, and more pages never cost less."""
    found = forecast(pages, job_bytes, seconds)
    assert 0 <= found.low <= found.likely <= found.high
    assert forecast(pages + 1, job_bytes, seconds).likely >= found.likely


def test_a_million_pages_cost_what_the_table_says() -> None:
    """The low forecast of a million pages of the demo is that of docs/how-to/cost.md: 0.2 s, 80 at a time."""
    assert forecast(1_000_000, 1_275, 0).low == pytest.approx(1.34, abs=0.02)


def test_delay_keeps_an_instance_awake() -> None:
    """A crawl of one host that takes a day because of its delay costs at least a day of an instance."""
    day = 24 * 3600
    short, long = forecast(8_640, 1_000, 0), forecast(8_640, 1_000, day)
    assert long.likely >= day * (VCPU.dollars + MEMORY.dollars)
    assert long.low == short.low


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "$0"), (1234.5, "$1,234.50"), (1.4, "$1.40"), (0.5, "$0.50"), (0.0512, "$0.051"),
     (0.00513, "$0.0051"), (0.00015, "$0.00015"), (0.00001, "less than $0.0001")],
)  # fmt: skip
def test_amounts_have_two_digits(amount: float, text: str) -> None:
    """Small amounts are not rounded to nothing."""
    assert dollars(amount) == text


def test_old_prices_are_said() -> None:
    """The sentence has the day of the oldest price, and after 90 days it asks to check the prices."""
    day = oldest_day(RUN_PRICES)
    assert f"read on {day}, 3 days ago" in prices_line(day + timedelta(days=3))
    assert "Check" not in prices_line(day + timedelta(days=OLD_DAYS))
    assert "Check them" in prices_line(day + timedelta(days=OLD_DAYS + 1))
    assert day <= min(date.fromisoformat(price.read) for price in RUN_PRICES)
