"""Tests of the cost that `scrapeq plan` shows, and of the limits that refuse a crawl."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from console.report.plan import plan_run
from console.report.plan_cost import cost_lines, limit_faults, limit_warnings, plan_forecast
from contract.crawl import Crawl
from extraction.selectors import CHECKS
from tests.console.command import Scrapeq

NOW = datetime(2026, 11, 30, 20, 0, tzinfo=UTC)
RECIPE = {"name": "page", "fields": {"title": {"css": "h1"}}}


def document(pages: int, delay: float = 0, sitemap: str | None = None, **limits: object) -> dict[str, object]:
    """Return a crawl of so many pages of one host."""
    urls = [f"https://shop.example/{number}" for number in range(pages)]
    return {
        "name": "shop",
        "sources": {"urls": urls} | ({"sitemap": sitemap} if sitemap else {}),
        "recipe": RECIPE,
        "politeness": {"delay_seconds": delay},
        "limits": limits,
    }


def crawl(pages: int, delay: float = 0, sitemap: str | None = None, **limits: object) -> Crawl:
    """Return the same crawl, decoded."""
    return Crawl.from_document(document(pages, delay, sitemap, **limits), CHECKS)


def test_cost_lines_have_time_pushes_and_dollars() -> None:
    """The plan says when the run can have ended, and how many pushes and dollars it takes."""
    lines = list(cost_lines(plan_run(crawl(601, delay=6)), NOW))
    assert lines[0] == (
        "Earliest finish: 1 h after the start, because of shop.example; "
        "if it starts now, 2026-11-30 21:00 UTC."
    )
    assert lines[1] == "Pushes: low 601, likely 661, high 1,202."
    assert lines[2].startswith("Cost on Google Cloud: low $0.00")
    assert lines[3].startswith("Assumed: low: 0.2 s and 1 delivery a page, 80 pages at a time; likely: ")
    assert "Not in it:" in lines[4]
    assert "days ago" in lines[4]


def test_cost_of_a_source_that_is_not_read_is_given_for_1000_pages() -> None:
    """Pages of a sitemap are not known before it is read, so the plan has the cost of each 1,000."""
    lines = list(cost_lines(plan_run(crawl(0, sitemap="https://shop.example/sitemap.xml")), NOW))
    assert lines[0].startswith(
        "The pages of sources.sitemap are not known before they are read: each 1,000 cost low $"
    )


def test_likely_cost_above_the_limit_is_refused_and_a_high_one_is_warned_about() -> None:
    """`limits.usd` refuses a run whose likely cost is higher, and warns if only its high cost is."""
    cost = plan_forecast(plan_run(crawl(1_000)))
    below, between, above = cost.likely * 0.9, (cost.likely + cost.high) / 2, cost.high * 1.1
    [fault] = limit_faults(plan_run(crawl(1_000, usd=below)), NOW)
    assert fault.startswith("limits.usd is $")
    assert list(limit_faults(plan_run(crawl(1_000, usd=between)), NOW)) == []
    assert "may cost" in next(limit_warnings(plan_run(crawl(1_000, usd=between))))
    assert "may cost" not in next(limit_warnings(plan_run(crawl(1_000, usd=above))))
    assert list(limit_warnings(plan_run(crawl(1_000)))) == []


@pytest.mark.parametrize(
    ("until", "part"),
    [
        (NOW - timedelta(seconds=1), "which has passed"),
        (NOW, "which has passed"),
        (NOW + timedelta(seconds=599), "shop.example needs 10 min"),
        (NOW + timedelta(seconds=600), ""),
    ],
)
def test_end_before_the_earliest_finish_is_refused(until: datetime, part: str) -> None:
    """`limits.until` must be in the future, and not before the end of the longest queue of a host."""
    faults = list(limit_faults(plan_run(crawl(101, delay=6, until=until.isoformat())), NOW))
    assert len(faults) == bool(part)
    assert part in "".join(faults)


def test_plan_and_dispatch_refuse_before_anything_is_sent(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """Both commands end with status 2 and say what is wrong; `dispatch` needs no dispatcher to say it."""
    file = tmp_path / "crawl.yaml"
    file.write_text(yaml.safe_dump(document(1_000, usd=0.0001, until="2026-01-01T00:00:00Z")))
    for command in (["plan"], ["dispatch", "--dispatcher", "http://127.0.0.1:9/"]):
        result = scrapeq(*command, file, "--data", tmp_path / "data")
        assert result.exit_code == 2
        assert "refused: limits.usd is $0.00010, but the run likely costs $" in result.stderr
        assert "refused: limits.until is 2026-01-01 00:00:00 UTC, which has passed." in result.stderr
