"""Draws what the services used over time as one SVG picture, with the charts of the console."""

from console.report.chart_frame import Frame
from console.report.chart_style import CHART_CSS, SERIES_COLOURS
from console.report.charts import line_drawing
from console.report.svg import Element, element, markup
from tests.journey.soak.run import Soak

KINDS = {"memory": "Memory, MiB (PSS)", "descriptors": "Open descriptors", "threads": "Threads"}
WIDTH, TITLE, GAP = 900, 24, 14  #: pixels
CHART_HEIGHT = 218  #: height of a drawing of the console, in pixels


def picture(soak: Soak) -> str:
    """Return the picture: a chart for each kind of resource, with a line for each service."""
    height = len(KINDS) * (TITLE + CHART_HEIGHT + GAP)
    drawings: list[Element] = []
    for place, (kind, title) in enumerate(KINDS.items()):
        top = place * (TITLE + CHART_HEIGHT + GAP)
        frame = Frame(title, "", soak.times, dict(soak.series(kind)), soak.seconds)
        drawing = line_drawing(frame)
        drawing.set("x", "8")
        drawing.set("y", str(top + TITLE))
        drawing.set("width", str(WIDTH - 16))
        drawings += [element("text", title, class_="name", x=8, y=top + 17), *_key(soak, top), drawing]
    return markup(
        element(
            "svg",
            element("title", "What the processes of each service use over time"),
            element("style", CHART_CSS),
            element("rect", width=WIDTH, height=height, style="fill: var(--chart-background)"),
            *drawings,
            xmlns="http://www.w3.org/2000/svg",
            class_="chart",
            viewBox=f"0 0 {WIDTH} {height}",
            width=WIDTH,
            height=height,
        )
    )


def _key(soak: Soak, top: int) -> list[Element]:
    """Return the names of the services, each in the colour of its line."""
    marks: list[Element] = []
    for number, name in enumerate(soak.usage):
        x = WIDTH - 330 + number * 110
        marks.append(
            element("rect", class_=f"bar {SERIES_COLOURS[number]}", x=x, y=top + 8, width=14, height=10)
        )
        marks.append(element("text", name, x=x + 20, y=top + 17))
    return marks
