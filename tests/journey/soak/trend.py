"""Judges whether a series of values stays flat after its warm-up. Pure."""

from collections.abc import Sequence
from statistics import linear_regression, median
from typing import NamedTuple

#: Share of a series, from its beginning, that is not judged: caches fill meanwhile, such as the 32 MB of
#: localpubsub (localpubsub/broker/message_cache.py).
WARM_UP = 1 / 2
#: A series may grow by this share of its median between the end of the warm-up and the end, by its slope.
MAX_GROWTH = 0.10
#: What a series may grow by in any case: MiB, descriptors and threads; less is noise.
ALLOWANCE = {"memory": 12.0, "descriptors": 12.0, "threads": 6.0}
MIN_VALUES = 6  #: number of values after the warm-up that a judgement needs
MIN_MEASUREMENTS = 2 * MIN_VALUES  #: number of values of a series, with those of the warm-up, that it needs


class Trend(NamedTuple):
    """How a series develops after its warm-up.

    Attributes:
        middle: its median.
        growth: by how much the fitted line rises from the end of the warm-up to the end.
        limit: by how much it may rise.
    """

    middle: float
    growth: float
    limit: float

    @property
    def is_flat(self) -> bool:
        """Whether it does not rise by more than it may."""
        return self.growth <= self.limit


def trend_of(kind: str, values: Sequence[float]) -> Trend:
    """Return the trend of a series with values at equal intervals.

    Args:
        kind: `memory`, `descriptors` or `threads`.
        values: the values, the oldest first.

    Raises:
        ValueError: there are too few values.
    """
    judged = values[round(len(values) * WARM_UP) :]
    if len(judged) < MIN_VALUES:
        raise ValueError(
            f"{len(judged)} values after the warm-up are too few to judge; {MIN_VALUES} are needed"
        )
    slope = linear_regression(range(len(judged)), judged).slope
    middle = median(judged)
    return Trend(middle, slope * (len(judged) - 1), max(ALLOWANCE[kind], MAX_GROWTH * middle))
