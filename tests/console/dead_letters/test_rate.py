"""Tests of the rate of a replay."""

import pytest

from console.dead_letters.rate import read_rate
from console.errors import UsageError


@pytest.mark.parametrize(
    ("text", "per_second"), [("5/s", 5), ("30/m", 0.5), ("36/h", 0.01), ("1000/s", 1000)]
)
def test_rate_is_read(text: str, per_second: float) -> None:
    """A rate is a number in a second, a minute or an hour."""
    assert read_rate(text) == pytest.approx(per_second)


@pytest.mark.parametrize("text", ["", "5", "0/s", "1001/s", "-1/s", "5/d", "1e3/s", "\u0665/s"])
def test_text_that_is_no_rate_is_reported(text: str) -> None:
    """Anything else is refused with an example."""
    with pytest.raises(UsageError, match="is no rate; write a number"):
        read_rate(text)
