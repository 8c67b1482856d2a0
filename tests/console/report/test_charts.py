"""Tests of the charts: valid markup for all numbers and texts, and axes that people can read."""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.report.chart_frame import HEIGHT, LABEL_ROOM
from console.report.chart_scale import number_text, seconds_text, time_labels, time_ticks, value_ticks
from console.report.chart_style import CHART_CSS, COLOURS
from console.report.charts import (
    FieldFill,
    fill_chart,
    latency_chart,
    outcomes_chart,
    sparkline,
    throughput_chart,
)

START = datetime(2026, 11, 22, 6, tzinfo=UTC)
HOSTILE = '<script>alert("1")</script>&\x00\x1b[2J\u202e\ud800 --> ]]>'
#: Tags and attributes that a chart may have. There are no styles, event handlers, links or foreign objects.
TAGS = frozenset(
    re.findall(
        r"\S+",
        "figure figcaption small svg title desc g line polyline polygon rect circle text ul li p span details"
        " summary div table thead tbody tr th td",
    )
)
ATTRIBUTES = frozenset(
    re.findall(
        r"\S+",
        "class x y x1 x2 y1 y2 cx cy r rx width height points viewBox preserveAspectRatio role scope tabindex"
        " aria-label aria-hidden overflow",
    )
)
numbers = st.lists(st.none() | st.floats() | st.integers(0, 10**9), max_size=40)
texts = st.text(max_size=80) | st.just(HOSTILE)


def times(count: int, seconds: float = 10) -> list[datetime]:
    """Return the beginnings of intervals."""
    return [START + timedelta(seconds=seconds * number) for number in range(count)]


def checked(chart: str) -> ET.Element:
    """Parse a chart, and check that it has only what is allowed, and no number that is none."""
    root = ET.fromstring(chart)  # noqa: S314 - our own markup
    for each in root.iter():
        assert each.tag in TAGS
        assert set(each.attrib) <= ATTRIBUTES
        for name in set(each.attrib) & {
            "x",
            "y",
            "x1",
            "x2",
            "y1",
            "y2",
            "cx",
            "cy",
            "width",
            "height",
            "points",
        }:
            assert not re.search("nan|inf|e", each.attrib[name]), each.attrib
    for drawing in root.iter("svg"):
        if drawing.get("role") == "img":
            assert drawing[0].tag == "title"
            assert drawing.get("aria-label")
    return root


def drawn(root: ET.Element, tag: str) -> Iterator[ET.Element]:
    """Yield the marks of a chart that are of this kind."""
    return (each for each in root.iter(tag) if each.get("class", "").split(" ")[0] in {"line", "bar", "dot"})


@given(numbers, numbers, st.sampled_from([0.5, 10.0, 3600.0, 86400.0 * 30]))
@settings(max_examples=60, deadline=None)
def test_chart_of_any_numbers_is_valid(
    first: list[float | None], second: list[float | None], seconds: float
) -> None:
    """Every chart is valid markup for missing, infinite, negative and huge numbers."""
    size = min(len(first), len(second))
    first, second, at = first[:size], second[:size], times(size, seconds)
    checked(throughput_chart(at, first, seconds))
    checked(latency_chart(at, first, second, seconds))
    checked(sparkline(first, "pages"))
    counts = [int(value) if value is not None and math.isfinite(value) else 0 for value in first]
    checked(outcomes_chart(at, {"succeeded": counts, "failed": counts[::-1]}, seconds))


@given(
    st.lists(
        st.tuples(texts, st.integers(0, 10**12), st.integers(0, 10**12), st.none() | st.floats(0, 1)),
        max_size=5,
    )
)
@settings(max_examples=60, deadline=None)
def test_chart_of_any_fields_is_valid(rows: list[tuple[str, int, int, float | None]]) -> None:
    """The chart of fields is valid for any names and counts, and a name is never markup."""
    chart = fill_chart([FieldFill(*row) for row in rows])
    checked(chart)
    assert "<script" not in chart


def test_names_of_outcomes_are_escaped() -> None:
    """A hostile name is a text of the chart."""
    root = checked(outcomes_chart(times(2), {HOSTILE: [1, 2]}, 10))
    assert any("<script>" in (each.tail or "") for each in root.iter())


@pytest.mark.parametrize("values", [[], [None], [math.nan, math.inf]])
def test_chart_without_numbers_says_so(values: Sequence[float | None]) -> None:
    """A chart without a number has no axes and says that there is no data."""
    for chart in (
        throughput_chart(times(len(values)), values, 10),
        latency_chart(times(len(values)), values, values, 10),
        outcomes_chart([], {}, 10),
        fill_chart([]),
    ):
        assert "No data yet." in chart
        assert "<svg" not in chart


def test_single_point_is_a_dot() -> None:
    """One value, and one between two gaps, is drawn as a dot, because a line needs two points."""
    root = checked(throughput_chart(times(1), [5], 10))
    assert len(list(drawn(root, "circle"))) == 1
    root = checked(throughput_chart(times(5), [5, 5, None, 5, None], 10))
    assert [len(list(drawn(root, tag))) for tag in ("polyline", "circle")] == [1, 1]


def test_gap_breaks_the_line() -> None:
    """An interval without a value is a gap in the line and not a 0."""
    root = checked(latency_chart(times(5), [1, 1, None, 1, 1], [None] * 5, 10))
    assert len(list(drawn(root, "polyline"))) == 2


def test_bars_are_stacked() -> None:
    """The bars of an interval stand on each other, and the highest pile fits into the plot."""
    root = checked(outcomes_chart(times(1), {"succeeded": [6], "retry": [2], "failed": [2]}, 10))
    bars = [each for each in drawn(root, "rect") if each.find("title") is not None]
    edges = [(float(bar.attrib["y"]), float(bar.attrib["y"]) + float(bar.attrib["height"])) for bar in bars]
    assert edges == [(400, 1000), (200, 400), (0, 200)]


def test_rate_of_less_than_one_is_per_minute() -> None:
    """A slow crawl has a rate per minute, so that the axis has no tiny numbers."""
    assert "pages per minute" in throughput_chart(times(2), [1, 2], 10)
    assert "pages per second" in throughput_chart(times(2), [10, 20], 10)


def test_fill_has_the_previous_run_as_a_mark() -> None:
    """The mark of the previous run is at its share, and a field that lost values has another colour."""
    root = checked(fill_chart([FieldFill("price", 50, 100, 0.9), FieldFill("title", 100, 100)]))
    marks = [each for each in root.iter("line") if each.get("x1", "").endswith("%")]
    assert [mark.get("x1") for mark in marks] == ["90.00%"]
    assert [bar.get("class") for bar in drawn(root, "rect")][:2] == ["bar red", "bar blue"]


@given(st.floats())
def test_value_ticks_reach_the_maximum(maximum: float) -> None:
    """The ticks begin at 0, have equal distances, are few, and the last is not below the maximum."""
    ticks = value_ticks(maximum)
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= 5
    if math.isfinite(maximum) and maximum < 1e300:
        assert ticks[-1] >= maximum * (1 - 1e-6)
        assert maximum < 1e-290 or ticks[-1] <= maximum * 2.5


@pytest.mark.parametrize(
    ("maximum", "expected"),
    [(0, [0, 0.5, 1]), (4, [0, 1, 2, 3, 4]), (7, [0, 2, 4, 6, 8]), (95, [0, 50, 100]), (1e6, [0, 5e5, 1e6])],
)
def test_value_ticks_are_round(maximum: float, expected: list[float]) -> None:
    """Ticks are round numbers."""
    assert value_ticks(maximum) == expected


@given(st.integers(0, 3 * 10**9), st.floats(0, 10**9))
def test_time_ticks_are_within_the_axis(first: int, span: float) -> None:
    """Ticks are at equal distances between the ends of the axis, and few."""
    start = datetime.fromtimestamp(first, UTC)
    ticks = time_ticks(start, start + timedelta(seconds=span))
    assert len(ticks) <= 5
    assert all(start <= tick <= start + timedelta(seconds=span) for tick in ticks)
    assert len({after - before for before, after in pairwise(ticks)}) <= 1
    assert len(time_labels(ticks)) == len(ticks)


def test_time_labels_name_the_day_where_it_changes() -> None:
    """A label is a time of the day, a date at the first tick of a new day, and dates if days pass."""
    evening = datetime(2026, 11, 22, 18, tzinfo=UTC)
    labels = time_labels([evening + timedelta(hours=3 * number) for number in range(4)])
    assert labels == ["18:00", "21:00", "23 Nov", "03:00"]
    assert time_labels([evening + timedelta(days=number) for number in range(2)]) == ["22 Nov", "23 Nov"]
    assert time_labels([evening + timedelta(seconds=10 * number) for number in range(2)]) == [
        "18:00:00",
        "18:00:10",
    ]


def test_numbers_have_three_digits_and_a_prefix() -> None:
    """Numbers are short, and whole ones below 10,000 are complete."""
    found = [number_text(value) for value in (0, 0.25, 3.14159, 123.456, 9_999, 12_345, 123_456, 2.5e9, 3e20)]
    assert found == ["0", "0.25", "3.14", "123.5", "9,999", "12.3k", "123k", "2.5G", "3e20"]
    assert [seconds_text(value) for value in (0, 3 * 0.1, 0.35, 2.5, 300, 7200)] == [
        "0 s",
        "300 ms",
        "350 ms",
        "2.5 s",
        "5 min",
        "2 h",
    ]


@pytest.mark.parametrize("seconds", [7, 95, 118, 125, 1000, 4000, 90_000])
def test_labels_of_times_do_not_overlap_on_a_phone(seconds: int) -> None:
    """At a width of 300 pixels each label of the time axis ends before the next one begins."""
    times = [START + timedelta(seconds=seconds * number / 50) for number in range(50)]
    chart = ET.fromstring(throughput_chart(times, [1.0] * 50, seconds / 50))  # noqa: S314 - our own markup
    end = 0.0
    for text in chart.iter("text"):
        if text.get("y") == str(LABEL_ROOM + HEIGHT + 16):
            width = 7 * len(text.text or "")
            x = 3 * float(str(text.get("x")).rstrip("%"))
            left = x - width * {"end": 1.0, "middle": 0.5}.get(text.get("class") or "", 0.0)
            assert left >= end
            end = left + width
    assert end


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour: https://www.w3.org/WAI/GL/wiki/Relative_luminance."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("name", [name for name in COLOURS if name not in {"background", "grid"}])
def test_colours_have_enough_contrast(name: str, mode: int) -> None:
    """Texts have a contrast of 4.5 to 1 to the background, and marks one of 3 to 1, in light and dark."""
    lights = sorted((luminance(COLOURS[name][mode]), luminance(COLOURS["background"][mode])))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= (4.5 if name in {"ink", "muted"} else 3)


def test_every_class_of_a_mark_has_a_colour() -> None:
    """The style sheet has each class that the charts use, and loads nothing."""
    chart = outcomes_chart(times(1), {"succeeded": [1], "other": [1], "cancelled": [1]}, 10)
    used = set(re.findall(r'class="bar (\w+)"', chart))
    assert used == {"green", "amber", "grey"}
    assert all(f".chart .{name} {{" in CHART_CSS for name in used)
    assert "url(" not in CHART_CSS
    assert "@import" not in CHART_CSS
