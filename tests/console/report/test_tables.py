"""What is shown of things that come from outside: safe, and within 80 columns."""

from io import StringIO

import pytest
from rich.console import Console

from console.dispatch import DispatchResponse, RejectedUrl
from console.ledger.ledger import DeadJob, Failure, Result
from console.report.tables import (
    dead_lines,
    dispatched_table,
    failures_table,
    rejected_table,
    results_table,
    summary,
)
from console.terminal import printable

LONG = "https://shop.example/" + "q" * 300


def drawn(table: object, width: int = 80) -> list[str]:
    """Return a table's lines as a terminal of this width gets them."""
    screen = Console(file=StringIO(), width=width, markup=False, emoji=False, highlight=False)
    screen.print(table)
    assert isinstance(screen.file, StringIO)
    return screen.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Long URLs and values are folded or cut by us, not by whatever shows the log."""
    result = Result("a", LONG, [{"title": "t" * 500}], 12)
    rejected = DispatchResponse(run_id="r", rejected=[RejectedUrl(url=LONG, why="w" * 200)], rejected_count=1)
    tables = [
        results_table([result, result], width),
        failures_table([Failure("http_5xx", "retry", 10**9, 10**6)]),
        dispatched_table(rejected),
        rejected_table(rejected),
    ]
    assert max(len(line) for table in tables for line in drawn(table, width)) <= width


def test_a_whole_url_is_on_the_screen() -> None:
    """A URL is never cut: it is what an operator copies."""
    lines = drawn(results_table([Result("a", LONG, [{"title": "t"}], 1), Result("b", "http://b/", [], 1)]))
    assert "".join(lines).count("q") == 300


def test_markup_and_controls_of_a_page_do_nothing() -> None:
    """A scraped text that holds terminal codes, or what rich takes for markup, is shown as text."""
    lines = drawn(results_table([Result("a", "http://b/", [{"title": "\x1b[31mred [bold]b[/] :smile:"}], 1)]))
    text = "\n".join(lines)
    assert "\x1b" not in text
    assert "[bold]b[/] :smile:" in text


def test_printable_keeps_the_scripts_of_the_world() -> None:
    """Only what steers the terminal is replaced."""
    assert printable("Über Χάρτες 古本 عود\n\t\x07") == "Über Χάρτες 古本 عود  �"


@pytest.mark.parametrize(
    ("items", "shown"),
    [
        ([], "0 items"),
        ([{}, {}], "2 items"),
        ([{"a": None, "b": "", "c": "x", "d": 0, "e": ["y"], "f": True, "g": "z"}], "x · 0 · True"),
    ],
)
def test_a_summary_is_the_first_telling_values(items: list[dict[str, object]], shown: str) -> None:
    """One item by its first values, several by their number."""
    assert summary(items) == shown


def test_a_reason_of_a_later_version_is_shown_as_it_is() -> None:
    """An older console reads a newer worker's ledger."""
    job = DeadJob("a", "http://b/", 1, "solar_flare", "")
    assert dead_lines(job) == ["http://b/", "  1 attempt, the last: solar_flare"]


def test_a_dead_letter_is_never_told_that_it_is_tried_again() -> None:
    """The remedy of a passing fault is to wait; of one that did not pass it is to look and replay."""
    text = "\n".join(dead_lines(DeadJob("a", "http://b/", 5, "timeout", "")))
    assert "is tried again" not in text
    assert "then replay" in text
