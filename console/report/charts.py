"""Draws charts as figures of HTML with SVG, from numbers. Pure.

A chart is as wide as its container, and its texts keep their size. It has a title and a description for
screen readers, and its numbers as a table. It has no script and no style of its own: the page needs
`console.report.chart_style.CHART_CSS`. All texts are escaped, so a chart can be part of a page as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from console.report.chart_frame import HEIGHT, NO_DATA, PLOT, Frame, empty, figure, legend, plot_svg
from console.report.chart_scale import is_number, number_text, seconds_text
from console.report.chart_style import OUTCOME_COLOURS, SERIES_COLOURS
from console.report.svg import Element, element, markup

Values = Sequence[float | None]
MAX_NAME_CHARACTERS = 24  #: number of characters of a field's name that are shown
ROW_HEIGHT: Final = 38  #: height of a row of the chart of fields, in pixels


@dataclass(frozen=True)
class FieldFill:
    """How many items have a value in a field.

    Attributes:
        name: name of the field.
        filled: number of items with a value.
        items: number of items.
        previous: share of the previous run, from 0 to 1; None if there is none.
    """

    name: str
    filled: int
    items: int
    previous: float | None = None

    @property
    def share(self) -> float:
        """Share of the items that have a value, from 0 to 1; 0 if there are no items."""
        return min(1.0, max(0.0, self.filled / self.items)) if self.items > 0 else 0.0


def sparkline(values: Values, title: str) -> str:
    """Return a small line without axes, of 120 × 28 pixels; the title says what it is, for screen readers."""
    numbers = [max(0.0, value) if value is not None and is_number(value) else None for value in values]
    present = [value for value in numbers if value is not None]
    last = f"last {number_text(present[-1])}, highest {number_text(max(present))}" if present else NO_DATA
    top = max(present, default=0) or 1.0
    width = 116 / max(1, len(numbers) - 1)
    points = [
        None if value is None else (2 + place * width, 26 - 24 * (value / top))
        for place, value in enumerate(numbers)
    ]
    drawing = element(
        "svg",
        element("title", f"{title}: {last}"),
        *_lines(points, "line blue"),
        *(_dot(*points[-1]) for _ in points[-1:] if points[-1] is not None),
        role="img",
        aria_label=f"{title}: {last}",
        viewBox="0 0 120 28",
        width=120,
        height=28,
    )
    return markup(element("span", drawing, class_="chart sparkline"))


def throughput_chart(times: Sequence[datetime], counts: Values, seconds: float) -> str:
    """Return the chart of the number of pages over time, as a rate.

    Args:
        times: beginning of each interval, UTC, in ascending order.
        counts: number of pages that ended in each interval.
        seconds: length of an interval.
    """
    rates = [_scaled(count, 1 / seconds) for count in counts]
    unit = "pages per second"
    if max((rate for rate in rates if rate is not None), default=0) < 1:
        unit, rates = "pages per minute", [_scaled(rate, 60) for rate in rates]
    frame = Frame("Throughput", unit, times, {"pages": rates}, seconds)
    return _line_chart(frame)


def latency_chart(times: Sequence[datetime], p50: Values, p95: Values, seconds: float) -> str:
    """Return the chart of the time that attempts took: the median, and the 95th percentile.

    Args:
        times: beginning of each interval, UTC, in ascending order.
        p50: median of each interval, in seconds; None if it had no attempt.
        p95: 95th percentile, likewise.
        seconds: length of an interval.
    """
    series = {"median": p50, "95th percentile": p95}
    return _line_chart(Frame("Time of an attempt", "seconds", times, series, seconds, seconds_text))


def outcomes_chart(times: Sequence[datetime], outcomes: Mapping[str, Sequence[int]], seconds: float) -> str:
    """Return the chart of the number of attempts over time, by outcome, as stacked bars.

    Args:
        times: beginning of each interval, UTC, in ascending order.
        outcomes: number of attempts in each interval, by the outcome's name.
        seconds: length of an interval.
    """
    frame = Frame("Outcomes of attempts", "attempts", times, dict(outcomes), seconds)
    if not frame.has_data:
        return markup(empty(frame))
    sums = [sum(max(0.0, counts[place] or 0.0) for counts in frame.values.values()) for place in frame.places]
    frame = frame.up_to(max(sums))
    marks = element("g")
    bottoms = [0.0] * len(times)
    for number, (name, values) in enumerate(frame.values.items()):
        for place, value in enumerate(values):
            if value:
                left, right = frame.x(place), frame.x(place, 0.92)
                top = frame.y(bottoms[place] + value)
                marks.append(
                    element(
                        "rect",
                        element("title", f"{frame.time_text(place)}: {number_text(value)} {name}"),
                        class_=f"bar {_colour(name, number)}",
                        x=left,
                        y=top,
                        width=right - left,
                        height=max(0.0, frame.y(bottoms[place]) - top),
                    )
                )
                bottoms[place] += value
    colours = {name: _colour(name, number) for number, name in enumerate(frame.values)}
    return markup(figure(frame, plot_svg(frame, marks), legend(colours)))


def fill_chart(fields: Sequence[FieldFill]) -> str:
    """Return the chart of the share of items that have a value, by field; a mark shows the previous run."""
    title, caption = "Filled fields", "share of items with a value"
    frame = Frame(title, caption, (), {}, 0)
    if not fields:
        return markup(empty(frame))
    rows = [row for place, field in enumerate(fields) for row in _fill_row(place, field)]
    described = "; ".join(f"{_short(field.name)} {field.share:.1%}" for field in fields[:20])
    drawing = element(
        "svg",
        element("title", f"{title}: {caption}"),
        element("desc", described),
        *rows,
        role="img",
        aria_label=f"{title}. {described}",
        width="100%",
        height=ROW_HEIGHT * len(fields),
    )
    has_previous = any(field.previous is not None for field in fields)
    columns = ["field", "items with a value", "items", "share", *(["previous run"] * has_previous)]
    table = [
        [
            field.name,
            f"{field.filled:,}",
            f"{field.items:,}",
            f"{field.share:.1%}",
            *(["" if field.previous is None else f"{field.previous:.1%}"] * has_previous),
        ]
        for field in fields
    ]
    keys = {"this run": "blue"} | ({"previous run (the upright line)": ""} if has_previous else {})
    return markup(figure(frame, drawing, legend(keys) if has_previous else None, (columns, table)))


def _fill_row(place: int, field: FieldFill) -> list[Element]:
    top = place * ROW_HEIGHT
    before = "" if field.previous is None else f", previous run {field.previous:.1%}"
    bar = {"x": 0, "y": top + 21, "height": 9, "rx": 2}
    colour = "red" if field.previous is not None and field.share < field.previous - 0.1 else "blue"
    row = [
        element("text", element("title", field.name), _short(field.name), class_="name", x=0, y=top + 14),
        element(
            "text",
            f"{field.share:.1%} of {field.items:,}{before}",
            class_="halo end",
            x="100%",
            y=top + 14,
        ),
        element("rect", class_="track", width="100%", **bar),
        element("rect", class_=f"bar {colour}", width=f"{100 * field.share:.2f}%", **bar),
    ]
    if field.previous is not None and is_number(field.previous):
        x = f"{100 * min(1.0, max(0.0, field.previous)):.2f}%"
        row.append(element("line", class_="before", x1=x, x2=x, y1=top + 18, y2=top + 33))
    return row


def line_drawing(frame: Frame) -> Element:
    """Return the drawing of a chart with a line for each series, without its caption, legend and numbers."""
    marks = element("g")
    dots: list[Element] = []
    for number, (name, values) in enumerate(frame.values.items()):
        colour = f"{_colour(name, number)}{' second' if number else ''}"
        middle = [
            None if value is None else (frame.x(place, 0.5), frame.y(value))
            for place, value in enumerate(values)
        ]
        for run in _runs(middle):
            if len(run) == 1:
                dots.append(_dot_at(run[0], _colour(name, number)))
                continue
            if len(frame.values) == 1:
                outline = [(run[0][0], float(PLOT)), *run, (run[-1][0], float(PLOT))]
                marks.append(element("polygon", class_=f"area {colour}", points=_points(outline)))
            marks.append(element("polyline", class_=f"line {colour}", points=_points(run)))
    return plot_svg(frame, marks, dots)


def _line_chart(frame: Frame) -> str:
    if not frame.has_data:
        return markup(empty(frame))
    colours = {name: _colour(name, number) for number, name in enumerate(frame.values)}
    key = legend(colours) if len(colours) > 1 else None
    return markup(figure(frame, line_drawing(frame), key))


def _lines(points: Sequence[tuple[float, float] | None], classes: str) -> list[Element]:
    runs = [run for run in _runs(points) if len(run) > 1]
    return [element("polyline", class_=classes, points=_points(run)) for run in runs]


def _runs(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """Return the points between two gaps as one list each."""
    grouped = groupby(points, key=lambda point: point is None)
    return [[point for point in group if point] for is_gap, group in grouped if not is_gap]


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _dot(x: float, y: float) -> Element:
    return element("circle", class_="dot blue", cx=x, cy=y, r=2)


def _dot_at(point: tuple[float, float], colour: str) -> Element:
    x, y = f"{100 * point[0] / PLOT:.2f}%", point[1] * HEIGHT / PLOT
    return element("circle", class_=f"dot {colour}", cx=x, cy=y, r=4)


def _colour(name: str, number: int) -> str:
    return OUTCOME_COLOURS.get(name) or SERIES_COLOURS[number % len(SERIES_COLOURS)]


def _scaled(value: float | None, factor: float) -> float | None:
    return value * factor if value is not None and is_number(value) else None


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME_CHARACTERS else f"{name[: MAX_NAME_CHARACTERS - 1]}…"
