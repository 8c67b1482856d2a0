"""Tests of tables and lines with untrusted text: they cannot control the terminal, and fit its width."""

from io import StringIO

import pytest
from rich.console import Console

from console.dispatch_response import DispatchResponse
from console.ledger.ledger import Failure, Result
from console.report.tables import (
    dispatched_table,
    failures_table,
    rejected_tables,
    results_table,
    sources_table,
    summary,
)
from console.terminal import print_line, printable
from contract.dispatch_report import ListedUrl, SourceCounts

LONG = "https://shop.example/" + "q" * 300


def rendered(table: object, width: int = 80) -> list[str]:
    """Return the lines of a table in a terminal with `width` columns."""
    terminal = Console(file=StringIO(), width=width, markup=False, emoji=False, highlight=False)
    terminal.print(table)
    assert isinstance(terminal.file, StringIO)
    return terminal.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Tables with long URLs and values have no line that is wider than the terminal."""
    result = Result("a", LONG, [{"title": "t" * 500}], 12)
    faults = [ListedUrl(url=LONG, why="w" * 200)]
    rejected = DispatchResponse(
        run_id="r",
        rejected=faults,
        rejected_count=1,
        unread=faults,
        unread_count=1,
        sources=[SourceCounts(source=f"sources.sitemaps.{number}", found=10**6) for number in range(2)],
    )
    by_source = sources_table(rejected)
    assert by_source is not None
    tables = [
        results_table([result, result], width),
        failures_table([Failure("http_5xx", "retry", 10**9, 10**6)]),
        dispatched_table(rejected),
        by_source,
        *rejected_tables(rejected),
    ]
    assert max(len(line) for table in tables for line in rendered(table, width)) <= width


def test_results_table_shows_urls_completely() -> None:
    """The results table folds a long URL and never shortens it, so that an operator can copy it."""
    lines = rendered(results_table([Result("a", LONG, [{"title": "t"}], 1), Result("b", "http://b/", [], 1)]))
    assert "".join(lines).count("q") == 300


def test_results_table_shows_control_characters_and_markup_as_text() -> None:
    """Control characters in a scraped text are replaced, and rich's markup is printed unchanged."""
    title = "\x1b[31mred \u202e [bold]b[/] :smile:"
    rejected = [ListedUrl(url="http://bob:secret@h/\x9b", why="\x07 bell")]
    lines = [
        *rendered(results_table([Result("a", "http://b\u202e/", [{"title": title}], 1)])),
        *rendered(failures_table([Failure("\x1b[2J", "\u200b", 1, 1)])),
        *(
            line
            for table in rejected_tables(DispatchResponse(run_id="r", rejected=rejected))
            for line in rendered(table)
        ),
    ]
    text = "".join(lines)
    assert text.isprintable()
    assert "http://***@h/" in text
    assert "[bold]b[/] :smile:" in text


def test_printable_keeps_letters_of_all_scripts() -> None:
    """`printable` keeps letters of all scripts, escapes control characters, and replaces white space."""
    assert printable("Über Χάρτες 古本 عود\n\t\x07") == "Über Χάρτες 古本 عود  \\u0007"


def test_printed_lines_have_no_password_and_no_control_character() -> None:
    """`print_line` keeps the ends of its lines, hides passwords and escapes what a terminal would obey."""
    terminal = Console(file=StringIO(), width=20)
    print_line(terminal, "see http://bob:secret@h.example/\n\x1b]0;title\x07 \u202etxt")
    assert isinstance(terminal.file, StringIO)
    assert terminal.file.getvalue() == "see http://***@h.example/\n\\u001b]0;title\\u0007 \\u202etxt\n"


@pytest.mark.parametrize(
    ("items", "shown"),
    [
        ([], "0 items"),
        ([{}, {}], "2 items"),
        ([{"a": "x", "b": 5}, {"a": "y"}], "2 items: x · 5"),
        ([{"a": None, "b": "", "c": "x", "d": 0, "e": ["y"], "f": True, "g": "z"}], "x · 0 · True"),
    ],
)
def test_summary_shows_the_first_non_empty_values(items: list[dict[str, object]], shown: str) -> None:
    """The summary is the number of items, if it is not 1, and the first scalar values of the first item."""
    assert summary(items) == shown


def test_summary_shows_the_chosen_fields() -> None:
    """If fields are chosen, the summary has their values, in their order."""
    assert (
        summary([{"a": "x", "b": "y", "c": "z", "d": 1, "e": 2}], ["d", "b", "none", "a", "c"])
        == "1 · y · x · z"
    )


def test_rejected_urls_that_are_not_listed_are_counted() -> None:
    """The last row of a table of rejected URLs says how many more there are."""
    rejected = [ListedUrl(url="nonsense", why="no host")]
    [table] = rejected_tables(DispatchResponse(run_id="r", rejected=rejected, rejected_count=41))
    assert any("and 40 more" in line for line in rendered(table))
