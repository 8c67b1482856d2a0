"""Tests of the page about a run: what it shows, that it loads nothing, and that no text is markup."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from console.ledger.ledger import Ledger
from console.report.report_page import report_page
from console.report.run_report import MAX_DEAD, run_report
from contract.outcome import Reason
from contract.reason_meanings import REASON_MEANINGS
from tests.console.command import Scrapeq
from tests.console.ledger.rows import dead_letter_row, job_row, outcome_row, record

HOSTILE = '</style><script>alert(1)</script><img src="http://evil.example/" onerror="x">\u202e\x1b[2J'
NOW = datetime.now(UTC)
TAGS = set(
    re.findall(
        r"\S+",
        "html head meta title style body main header section h1 h2 h3 p ul li b span div table thead tbody tr"
        " th td figure figcaption small svg desc g line polyline polygon rect circle text details summary",
    )
)


class Tags(HTMLParser):
    """Collects the tags, the attributes and the texts of a page, as a browser would read them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Collect a text."""
        self.text += f"{data}\n"


@pytest.fixture
def recorded(ledger: Ledger) -> Ledger:
    """Return a ledger with a run that has all that a report shows."""
    good: list[dict[str, object]] = [{"title": "Wörter", "price": None}]
    record(
        ledger,
        [
            *(job_row(name) for name in ("good", "bad", "silent", "waits")),
            outcome_row("good", 1, reason="timeout", total_seconds=3),
            outcome_row(
                "good", 2, attempt=2, items=good, total_seconds=1, detail="price: no number in 5 places"
            ),
            outcome_row("bad", 3, reason="dns", detail="no such host"),
            dead_letter_row("bad", 4, deliveries=1),
            dead_letter_row("silent", 5, deliveries=3),
        ],
    )
    return ledger


def test_report_shows_all_parts_of_a_run(recorded: Ledger) -> None:
    """The page has the numbers of jobs, charts, reasons, dead letters, hosts, fields and examples."""
    text = Tags(report_page(run_report(recorded, "run-1", NOW))).text
    assert re.findall(r"^(\d+)\n(dispatched|succeeded|dead|in flight)$", text, re.MULTILINE) == [
        ("4", "dispatched"),
        ("1", "succeeded"),
        ("2", "dead"),
        ("1", "in flight"),
    ]
    for part in ("Throughput", "Time of an attempt", "Outcomes of attempts", "Filled fields"):
        assert part in text
    assert REASON_MEANINGS[Reason.TIMEOUT].sentence in text
    assert "no such host" in text
    assert "left no outcome" in text
    assert "Wörter" in text
    assert "price: no number in N places" in text
    assert "Cost on Google Cloud" in text


def test_page_loads_nothing_and_runs_nothing(recorded: Ledger) -> None:
    """There is no script, link or inline style, and the policy allows only the style sheet of the page."""
    page = report_page(run_report(recorded, "run-1", NOW))
    parsed = Tags(page)
    assert {tag for tag, _ in parsed.tags} <= TAGS
    names = {name for _, attributes in parsed.tags for name in attributes}
    assert not names & {"style", "src", "href", "srcset", "data", "action"}
    assert not [name for name in names if name.startswith("on")]
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in page


def test_texts_of_pages_are_no_markup_and_are_short(ledger: Ledger) -> None:
    """Markup in URLs, values, details and names of fields is text, and a value of a megabyte is shortened."""
    items: list[dict[str, object]] = [{HOSTILE: HOSTILE, "long": "x" * 1_000_000}]
    record(
        ledger,
        [
            *(job_row(f"dead-{number}") for number in range(200)),
            *(outcome_row(f"dead-{number}", 2, reason="dns", detail=HOSTILE * 5) for number in range(200)),
            *(dead_letter_row(f"dead-{number}", 4, deliveries=1) for number in range(200)),
            job_row("good"),
            outcome_row("good", 1, items=items, detail=HOSTILE),
        ],
    )
    report = run_report(ledger, "run-1", NOW)
    page = report_page(report)
    parsed = Tags(page)
    assert {tag for tag, _ in parsed.tags} <= TAGS
    assert "<script>alert(1)</script>" in parsed.text
    assert not {"\u202e", "\x1b"} & set(page)
    assert len(page) < 300_000
    assert f"{200 - MAX_DEAD} more dead letters are not listed." in page


def test_report_of_a_run_without_attempts(ledger: Ledger) -> None:
    """A run that has just been dispatched has a report that says that there is no data."""
    record(ledger, [job_row("a")])
    page = report_page(run_report(ledger, "run-1", NOW))
    assert page.count("No data yet.") == 3
    assert "No item was extracted." in page


def test_command_writes_one_file(scrapeq: Scrapeq, recorded: Ledger) -> None:
    """`scrapeq report` writes the page of the latest run to the file, and says where it is."""
    file = recorded.data / "run.html"
    result = scrapeq("report", "-o", file, "--data", recorded.data)
    assert (result.exit_code, result.stdout) == (0, f"The report of run run-1 is in {file}\n")
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")
