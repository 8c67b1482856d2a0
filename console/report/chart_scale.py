"""Chooses the ticks of a chart's axes, and writes numbers and times as people read them. Pure."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

MINUTE, HOUR, DAY = 60, 3600, 86_400
#: Distances between two ticks of a time axis, in seconds; longer ones are whole multiples of 28 days.
TIME_STEPS: Final = (
    *(1, 2, 5, 10, 15, 30),
    *(MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(HOUR * count for count in (1, 2, 3, 6, 12)),
    *(DAY * count for count in (1, 2, 7, 14, 28)),
)
PREFIXES: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
MAX_PLAIN = 10_000  #: from this number on, a number is written with a prefix, for example `12k`
MAX_PREFIXED = 1e15  #: from this number on, a number is written with an exponent


def is_number(value: float | None) -> bool:
    """Return whether a value can be drawn: it is neither missing nor NaN nor infinite."""
    return value is not None and math.isfinite(value)


def value_ticks(maximum: float, count: int = 4) -> list[float]:
    """Return the ticks of an axis from 0 to at least `maximum`, at round distances (1, 2 or 5 × 10ⁿ).

    Args:
        maximum: largest value; 1 is used instead of a number that is not positive or not finite.
        count: maximum number of ticks above 0.
    """
    if not math.isfinite(maximum) or maximum < 1e-300:
        maximum = 1.0
    maximum = min(maximum, 1e300)  # twice of it is still a number
    power = 10.0 ** math.floor(math.log10(maximum / count))
    step = next(power * digit for digit in (1, 2, 5, 10, 20) if power * digit * count >= maximum * (1 - 1e-9))
    return [step * number for number in range(math.ceil(maximum / step - 1e-9) + 1)]


def time_ticks(first: datetime, last: datetime, count: int = 4) -> list[datetime]:
    """Return round times between two times of UTC, at most `count` + 1 of them."""
    span = max(0.0, (last - first).total_seconds())
    step = next((step for step in TIME_STEPS if step * count >= span), 0)
    step = step or 28 * DAY * math.ceil(span / count / (28 * DAY))
    seconds = math.ceil(first.timestamp() / step) * step
    ticks = []
    while seconds <= last.timestamp():
        ticks.append(datetime.fromtimestamp(seconds, UTC))
        seconds += step
    return ticks


def time_labels(ticks: Sequence[datetime]) -> list[str]:
    """Return the label of each tick: the date if days pass between two ticks, or else the time of the day."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else timedelta(0)
    if step >= timedelta(days=1):
        return [f"{tick.day} {tick:%b}" for tick in ticks]
    form = "%H:%M:%S" if any(tick.second for tick in ticks) else "%H:%M"
    days = [tick.date() for tick in ticks]
    return [
        f"{tick.day} {tick:%b}" if place and days[place] != days[place - 1] else tick.strftime(form)
        for place, tick in enumerate(ticks)
    ]


def number_text(value: float) -> str:
    """Return a number with at most three significant digits and a prefix, for example `0.25`, `950`, `12.4k`.

    Whole numbers below 10,000 have all their digits.
    """
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= MAX_PREFIXED:
        digits, _, exponent = f"{value:.2e}".partition("e")
        return f"{float(digits):g}e{int(exponent)}"
    if size < MAX_PLAIN:
        if float(value).is_integer():
            return f"{value:,.0f}"
        return f"{value:.1f}" if size >= 100 else f"{value:.3g}"
    factor, prefix = next(each for each in PREFIXES if size >= each[0])
    scaled = value / factor
    return f"{scaled:.0f}{prefix}" if abs(scaled) >= 100 else f"{scaled:.3g}{prefix}"


def seconds_text(seconds: float) -> str:
    """Return a duration for a label: `350 ms`, `2.5 s`, `3 min`, `2 h`."""
    if not math.isfinite(seconds):
        return "–"
    if 0 < seconds < 1:
        return f"{number_text(round(seconds * 1000, 3))} ms"  # 3 * 0.1 s is more than 300 ms
    for size, unit in ((HOUR, "h"), (MINUTE, "min")):
        if seconds >= 2 * size:
            return f"{number_text(seconds / size)} {unit}"
    return f"{number_text(seconds)} s"
