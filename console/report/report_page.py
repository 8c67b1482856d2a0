"""Makes the report of a run: one page of HTML that loads nothing and has no script. Pure.

Its style sheet is allowed by its hash, and its Content-Security-Policy allows nothing else. Texts of pages
are shortened and escaped, so the page has a bounded size and no foreign markup.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from console.money.forecast import NOT_INCLUDED, prices_line
from console.money.run_bill import part_rows, run_bill, use_lines
from console.report.charts import fill_chart, latency_chart, outcomes_chart, throughput_chart
from console.report.dead_letters import NO_OUTCOME_REMEDY, WITHOUT_OUTCOME, remedy
from console.report.durations import duration
from console.report.field_fills import field_fills, field_names
from console.report.report_style import REPORT_CSS
from console.report.run_report import MAX_HOSTS, RunReport
from console.report.svg import Element, element, html_table
from console.report.tables import meaning_of

MAX_CHARACTERS = 200  #: maximum number of characters of a text from a page
MAX_FIELDS = 100  #: maximum number of fields; the others are counted
MAX_ITEMS = 3  #: maximum number of items of a page that are shown
INVISIBLE = (
    "attempts left no outcome: no worker was free, a worker was killed, or Pub/Sub did not confirm the "
    "outcome. They are not in the charts and tables below."
)


def report_page(report: RunReport) -> str:
    """Return the page of a report."""
    overview = report.overview
    sections = [
        _header(report),
        _figures(report),
        *_charts(report),
        *_reasons(report),
        *_dead(report),
        *_hosts(report),
        *_fields(report),
        *_samples(report),
        *_cost(report),
    ]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy()),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"Run {shortened(overview.run_id)}"),
        _style(),
    )
    page = element("html", head, element("body", element("main", *sections)), lang="en")
    text = ET.tostring(page, encoding="unicode", method="html")
    return f"<!doctype html>\n{text}\n"


def policy() -> str:
    """Return the Content-Security-Policy of the page: nothing but its own style sheet."""
    digest = base64.b64encode(hashlib.sha256(REPORT_CSS.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def section(title: str, *children: Element | str) -> list[Element]:
    """Return a heading and what follows it."""
    parts = [element("p", child) if isinstance(child, str) else child for child in children]
    return [element("h2", title), *parts]


def rows_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Element:
    """Return a table that can be scrolled on a narrow screen; its texts are shortened."""
    table = html_table(headings, ([shortened(text) for text in row] for row in rows))
    table.set("class", "rows")
    return element("div", table, class_="wide", tabindex=0, role="region", aria_label=headings[0])


def shortened(text: str, count: int = MAX_CHARACTERS) -> str:
    """Return at most `count` characters of a text."""
    return text if len(text) <= count else f"{text[: count - 1]}…"


def _style() -> Element:
    style = ET.Element("style")
    style.text = REPORT_CSS  # the text is compared with its hash, so it must not be changed
    return style


def _header(report: RunReport) -> Element:
    overview = report.overview
    lines = [element("h1", f"Run {overview.run_id}")]
    if report.crawl:
        lines.append(element("p", f"Crawl {report.crawl}."))
    if overview.started_at:
        text = f"Started {_minute(overview.started_at)}"
        if overview.ended_at:
            seconds = (_time(overview.ended_at) - _time(overview.started_at)).total_seconds()
            text += f", last attempt {_minute(overview.ended_at)} ({duration(seconds)} in all)"
        lines.append(element("p", f"{text}."))
    made = f"{report.made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    lines.append(element("p", f"All times are UTC. The numbers are those of {made}.", class_="note"))
    return element("header", *lines)


def _figures(report: RunReport) -> Element:
    overview, accounting = report.overview, report.overview.accounting
    counts = accounting._asdict()
    hidden = {"retrying", "dead_infrastructure"} | {
        name for name in ("missing", "cancelled", "dropped", "replaced") if not counts.get(name)
    }
    figures = [(name.replace("_", " "), f"{count:,}") for name, count in counts.items() if name not in hidden]
    if overview.mean_per_minute:
        figures.append(("jobs per minute, mean", f"{overview.mean_per_minute:,.1f}"))
    cells = [element("li", element("b", value), element("span", name)) for name, value in figures]
    lines = [element("ul", *cells, class_="figures")]
    if not accounting.adds_up:
        lines.append(element("p", "The numbers of jobs do not add up: jobs are missing.", class_="alarm"))
    if overview.dispatch is not None and not overview.dispatch.is_complete:
        lines.append(element("p", "The dispatch continues, so there will be more jobs.", class_="note"))
    if overview.unrecorded_attempts:
        lines.append(element("p", f"At least {overview.unrecorded_attempts:,} {INVISIBLE}"))
    return element("section", *lines)


def _charts(report: RunReport) -> list[Element]:
    line = report.timeline
    charts = [
        throughput_chart(line.times, line.attempts, line.seconds),
        latency_chart(line.times, line.p50, line.p95, line.seconds),
        outcomes_chart(line.times, line.outcomes, line.seconds),
    ]
    drawn = element("div", *map(parsed, charts), class_="charts")
    note = "The time of an attempt does not contain the time for which the job waited for its host."
    return [*section("Over time"), drawn, element("p", note, class_="note")]


def parsed(chart: str) -> Element:
    """Return a chart as an element."""
    return ET.fromstring(chart)  # noqa: S314 - markup that console.report.charts has just made


def _reasons(report: RunReport) -> list[Element]:
    failures = report.overview.failures
    if not failures:
        return section("Attempts that did not succeed", "None.")
    rows = [
        (each.reason, each.outcome, f"{each.attempts:,}", f"{each.jobs:,}", _sentence(each.reason))
        for each in failures
    ]
    return section(
        "Attempts that did not succeed",
        rows_table(("reason", "outcome", "attempts", "jobs", "meaning"), rows),
    )


def _dead(report: RunReport) -> list[Element]:
    if not report.dead_groups:
        return section("Dead letters", "None.")
    groups = [
        (
            each.host or "unknown",
            each.reason or "no outcome",
            each.cause,
            f"{each.jobs:,}",
            _remedy(each.reason),
        )
        for each in report.dead_groups
    ]
    jobs = [(each.url or each.job_id, each.reason, str(each.attempts), each.detail) for each in report.dead]
    total = report.overview.accounting.dead
    more = [f"{total - len(jobs):,} more dead letters are not listed."] if total > len(jobs) else []
    return section(
        "Dead letters",
        rows_table(("host", "last reason", "cause", "jobs", "what to do"), groups),
        element("h3", "Pages"),
        rows_table(("page", "last reason", "attempts", "detail"), jobs),
        *more,
    )


def _hosts(report: RunReport) -> list[Element]:
    rows = [
        (
            each.host or "unknown",
            *(f"{count:,}" for count in (each.jobs, each.succeeded, each.dead, each.waiting)),
            *(f"{count:,}" for count in (each.failed_attempts, each.http_4xx, each.http_5xx)),
        )
        for each in report.hosts[:MAX_HOSTS]
    ]
    if not rows:
        return []
    more = ["More hosts are not listed."] if len(report.hosts) > MAX_HOSTS else []
    columns = ("host", "jobs", "succeeded", "dead", "waiting", "failed attempts", "4xx", "5xx")
    return section("Hosts", rows_table(columns, rows), *more)


def _fields(report: RunReport) -> list[Element]:
    fields = [each for each in report.fields if each.field][:MAX_FIELDS]
    if not fields:
        return section("Fields", "No item was extracted.")
    names = field_names(fields)
    values = [
        (name, " · ".join(each.samples), " ".join(each.empty_urls))
        for name, each in zip(names, fields, strict=True)
    ]
    name_of = {(each.recipe, each.field): name for name, each in zip(names, fields, strict=True)}
    complaints = [
        (name_of.get((each.recipe, each.field), "page"), f"{found.jobs:,}", found.text, found.url)
        for each in report.fields
        for found in each.complaints[:3]
    ][:MAX_FIELDS]
    compared = [f"Compared with run {report.previous}."] if report.previous else []
    more = len([each for each in report.fields if each.field]) - len(fields)
    return section(
        "Fields",
        *compared,
        parsed(fill_chart(field_fills(fields))),
        *([f"{more:,} more fields are not shown."] if more else []),
        rows_table(("field", "values", "without a value, for example"), values),
        *(
            [rows_table(("warning about", "jobs", "warning", "for example"), complaints)]
            if complaints
            else []
        ),
    )


def _samples(report: RunReport) -> list[Element]:
    rows = [
        (each.url, json.dumps(item, ensure_ascii=False))
        for each in report.samples
        for item in each.items[:MAX_ITEMS]
    ]
    return section("Items, for example", rows_table(("page", "item"), rows)) if rows else []


def _cost(report: RunReport) -> list[Element]:
    if not report.use.messages:
        return []
    note = f"{NOT_INCLUDED} {prices_line(report.made_at.date())}"
    return section(
        "Cost on Google Cloud",
        rows_table(("part", "low", "likely", "high"), part_rows(run_bill(report.use))),
        element("p", f"Used: {'; '.join(use_lines(report.use))}.", class_="note"),
        element("p", note, class_="note"),
    )


def _sentence(reason: str) -> str:
    meaning = meaning_of(reason)
    return meaning.sentence if meaning else ""


def _remedy(reason: str) -> str:
    if not reason:
        return f"{WITHOUT_OUTCOME}; {NO_OUTCOME_REMEDY}"
    meaning = meaning_of(reason)
    return remedy(meaning) if meaning else ""


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _minute(text: str) -> str:
    return f"{_time(text).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
