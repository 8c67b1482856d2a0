"""Draws what all charts over time have: the figure, the axes, the legend and the table of the numbers. Pure.

The marks are in a square of 1,000 × 1,000 units that is stretched to the size of the plot. Texts are outside
of it, at a share of the width, so that they are never stretched.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

from console.report.chart_scale import (
    is_number,
    number_text,
    time_labels,
    time_ticks,
    value_ticks,
)
from console.report.svg import Element, element, html_table

PLOT: Final = 1000  #: width and height of the square of the marks
HEIGHT: Final = 180  #: height of the plot, in pixels
NARROWEST: Final = 300  #: width of a chart on a phone, in pixels
CHARACTER_WIDTH: Final = 7  #: width of a digit of a label, in pixels
LABEL_ROOM: Final = 16  #: height above the plot for the label of the highest tick, in pixels
AXIS_ROOM: Final = 22  #: height below the plot for the labels of the times, in pixels
MAX_ROWS = 500  #: maximum number of rows of the table
NO_DATA = "no data yet"


@dataclass(frozen=True)
class Frame:
    """What a chart over time shows.

    Attributes:
        title: title of the chart.
        unit: unit of the values.
        times: beginning of each interval, UTC, in ascending order.
        series: a value for each interval, by the series' name. A value that is no number is a gap, and a
            negative one is 0.
        seconds: length of an interval.
        text: makes the label of a value.
        least: minimum of the highest value of the axis.
    """

    title: str
    unit: str
    times: Sequence[datetime]
    series: dict[str, Sequence[float | None]]
    seconds: float
    text: Callable[[float], str] = number_text
    least: float = 0.0

    @cached_property
    def values(self) -> dict[str, list[float | None]]:
        """The series, with None for each gap."""
        return {
            name: [
                max(0.0, float(value)) if value is not None and is_number(value) else None for value in values
            ]
            for name, values in self.series.items()
        }

    @property
    def places(self) -> range:
        """Numbers of the intervals."""
        return range(len(self.times))

    @property
    def has_data(self) -> bool:
        """Whether there is a value to draw."""
        return any(value is not None for values in self.values.values() for value in values)

    @cached_property
    def ticks(self) -> list[float]:
        """Ticks of the axis of the values."""
        found = (value for values in self.values.values() for value in values if value is not None)
        return value_ticks(max(self.least, max(found, default=0.0)))

    def up_to(self, maximum: float) -> "Frame":
        """Return the frame with an axis that reaches a value."""
        return replace(self, least=min(maximum, 1e300))

    @cached_property
    def end(self) -> datetime:
        """End of the last interval."""
        return self.times[-1] + timedelta(seconds=self.seconds)

    def x(self, place: int, share: float = 0.0) -> float:
        """Return the position of an interval, from 0 to 1,000; `share` is the part of it that has passed."""
        return self.x_of(self.times[place] + timedelta(seconds=self.seconds * share))

    def x_of(self, time: datetime) -> float:
        """Return the position of a time, from 0 to 1,000."""
        span = (self.end - self.times[0]).total_seconds() or 1.0
        return PLOT * min(1.0, max(0.0, (time - self.times[0]).total_seconds() / span))

    def y(self, value: float) -> float:
        """Return the position of a value, from 1,000 at the bottom to 0 at the top."""
        return PLOT * (1 - min(1.0, value / self.ticks[-1]))

    def time_text(self, place: int) -> str:
        """Return the beginning of an interval, for example `2026-11-22 06:00:10`."""
        return self.times[place].astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def figure(
    frame: Frame,
    drawing: Element,
    key: Element | None = None,
    table: tuple[Sequence[str], Sequence[Sequence[str]]] | None = None,
) -> Element:
    """Return a figure: its caption, the drawing, the legend, and the numbers as a table."""
    caption = element("figcaption", f"{frame.title} ", element("small", frame.unit))
    columns, rows = table or _table(frame)
    details = element(
        "details",
        element("summary", "Numbers"),
        element("div", html_table(columns, rows), tabindex=0),
    )
    return element("figure", caption, drawing, *([] if key is None else [key]), details, class_="chart")


def empty(frame: Frame) -> Element:
    """Return a figure without data, which says so."""
    caption = element("figcaption", f"{frame.title} ", element("small", frame.unit))
    return element("figure", caption, element("p", f"{NO_DATA.capitalize()}."), class_="chart")


def legend(colours: dict[str, str]) -> Element:
    """Return a legend: a mark in the colour of each name; an upright line if the colour is empty."""
    keys = element("ul")
    for name, colour in colours.items():
        swatch = element("svg", aria_hidden="true", viewBox="0 0 16 11")
        if colour:
            swatch.append(element("rect", class_=f"bar {colour}", width=16, height=11, rx=2))
        else:
            swatch.append(element("line", class_="before", x1=8, x2=8, y1=0, y2=11))
        keys.append(element("li", swatch, name))
    return keys


def plot_svg(frame: Frame, marks: Element, dots: Sequence[Element] = ()) -> Element:
    """Return the drawing of a chart over time: axes, marks, and dots whose size is not stretched."""
    described = _described(frame)
    plot = element("svg", y=LABEL_ROOM, height=HEIGHT, width="100%", overflow="visible")
    texts = element("g", aria_hidden="true")
    for tick in frame.ticks:
        y = LABEL_ROOM + frame.y(tick) * HEIGHT / PLOT
        plot.append(element("line", class_="grid", x1=0, x2="100%", y1=y - LABEL_ROOM, y2=y - LABEL_ROOM))
        if tick:
            texts.append(element("text", frame.text(tick), class_="halo", x=0, y=y - 3))
    stretched = element(
        "svg", marks, viewBox=f"0 0 {PLOT} {PLOT}", width="100%", height=HEIGHT, preserveAspectRatio="none"
    )
    plot.append(stretched)
    plot.extend(dots)
    texts.extend(_time_texts(frame))
    return element(
        "svg",
        element("title", f"{frame.title}, {frame.unit}"),
        element("desc", described),
        plot,
        texts,
        role="img",
        aria_label=f"{frame.title}, {frame.unit}. {described}",
        width="100%",
        height=LABEL_ROOM + HEIGHT + AXIS_ROOM,
    )


def _time_texts(frame: Frame) -> list[Element]:
    ticks = time_ticks(frame.times[0].astimezone(UTC), frame.end.astimezone(UTC))
    ticks = ticks or [frame.times[0].astimezone(UTC)]
    texts, free_from = [], 0.0
    for tick, label in zip(ticks, time_labels(ticks), strict=True):
        share = frame.x_of(tick) / PLOT
        anchor = "end" if share > 0.9 else "" if share < 0.1 else "middle"
        width = CHARACTER_WIDTH * len(label)
        left = NARROWEST * share - width * {"end": 1, "middle": 0.5, "": 0}[anchor]
        if left < free_from:
            continue  # on a phone it would overlap the label before
        free_from = left + width + CHARACTER_WIDTH
        texts.append(
            element("text", label, class_=anchor, x=f"{100 * share:.2f}%", y=LABEL_ROOM + HEIGHT + 16)
        )
    return texts


def _described(frame: Frame) -> str:
    parts = [f"From {frame.time_text(0)} UTC, {len(frame.times)} intervals of {frame.seconds:g} s"]
    for name, values in frame.values.items():
        present = [value for value in values if value is not None]
        if present:
            parts.append(f"{name}: highest {frame.text(max(present))}, last {frame.text(present[-1])}")
    return ". ".join(parts)


def _table(frame: Frame) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    rows = [
        [
            frame.time_text(place),
            *("" if row[place] is None else frame.text(row[place] or 0.0) for row in frame.values.values()),
        ]
        for place in frame.places[:MAX_ROWS]
    ]
    if len(frame.times) > MAX_ROWS:
        rows.append([f"and {len(frame.times) - MAX_ROWS} more", *("" for _ in frame.values)])
    return ["from (UTC)", *frame.values], rows
