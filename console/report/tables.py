"""Makes tables and lines for a terminal of 80 columns from the ledger's rows. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from console.dispatch_response import DispatchResponse
from console.ledger.dispatch_rows import Dispatch
from console.ledger.ledger import Attempt, Failure, Result
from console.ledger.run_rows import RunSummary
from console.terminal import TextTable, printable
from contract.outcome import Reason
from contract.reason_meanings import REASON_MEANINGS, ReasonMeaning, status_of

#: Counts of jobs that a table has only if one of them is not 0.
RARE_COUNTS = ("cancelled", "dropped", "replaced", "missing")
NUMERIC_COLUMNS = {
    *("attempts", "jobs", "count", "status", "pages", "at the same time", "takes at least"),
    *("succeeded", "dead", "in flight", *RARE_COUNTS, "age"),
    *("waiting", "4xx", "5xx", "per minute", "filled", "before"),
    *("found", "published", "duplicate", "rejected", "filtered", "too old", "over limit", "unread"),
}
SUMMARY_FIELDS = 3  #: maximum number of an item's fields in a row of the results table


def results_table(results: Sequence[Result], width: int = 80, fields: Sequence[str] = ()) -> TextTable:
    """Return a table of results: a row for each page, and one for all pages of a listing.

    If all URLs are of one site, the site's address is the table's title.

    Args:
        results: the results; the pages of a listing must follow each other.
        width: columns of the terminal.
        fields: only these fields of an item are shown; empty for the first ones that have a value.
    """
    site = _common_site([result.url for result in results])
    rows = [list(pages) for _, pages in groupby(results, key=lambda each: each.listing or each.job_id)]
    urls = [printable(pages[0].url.removeprefix(site)) for pages in rows]
    table = text_table("url", "items", "attempts", title=site or None)
    # Limit the width of the items column, which rich does not wrap, so that enough is left for the URLs.
    table.columns[1].max_width = max(20, width - min(max(map(len, urls), default=0), width // 2) - 16)
    for url, pages in zip(urls, rows, strict=True):
        items = [item for page in pages for item in page.items]
        text = summary(items, fields, len(pages))
        table.add_texts(url, text, str(sum(page.attempts for page in pages)))
    return table


def summary(items: Sequence[dict[str, Any]], fields: Sequence[str] = (), pages: int = 1) -> str:
    """Return values of the first item, after the number of items if it is not 1.

    Args:
        items: the items of a page.
        fields: the fields to show; empty for the first three scalar values that are not empty.
        pages: number of pages that the items come from.
    """
    count = "" if len(items) == 1 == pages else f"{len(items)} items"
    count += f" from {pages} pages" if pages > 1 else ""
    first = items[0] if items else {}
    values = [first.get(name) for name in fields] if fields else list(first.values())
    shown = [value for value in values if isinstance(value, str | int | float) and value != ""]
    preview = " · ".join(str(value) for value in (shown if fields else shown[:SUMMARY_FIELDS]))
    return printable(": ".join(text for text in (count, preview) if text))


def runs_table(runs: Sequence[RunSummary], now: datetime) -> TextTable:
    """Return a table of runs, in which those that do not add up have an exclamation mark."""
    rare = [name for name in RARE_COUNTS if any(getattr(run, name) for run in runs)]
    table = text_table("run", "age", "jobs", "succeeded", "dead", "in flight", *rare)
    table.columns[0].no_wrap = table.collapse_padding = True
    for run in runs:
        mark = "" if run.adds_up else " !"
        more = " …" if run.dispatch == "in_progress" else ""
        counts = [run.succeeded, run.dead, run.in_flight, *(getattr(run, name) for name in rare)]
        age = _age((now - datetime.fromisoformat(run.started_at)).total_seconds())
        table.add_texts(run.run_id + mark, age, f"{run.dispatched}{more}", *map(str, counts))
    return table


def _age(seconds: float) -> str:
    """Return a time span in its largest unit: `40 s`, `5 min`, `2 h` or `3 d`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def failures_table(failures: Sequence[Failure]) -> TextTable:
    """Return a table of the reasons of unsuccessful attempts, with the numbers of attempts and jobs."""
    table = text_table("reason", "outcome", "attempts", "jobs", "meaning")
    for failure in failures:
        meaning = meaning_of(failure.reason)
        sentence = meaning.sentence if meaning else ""
        table.add_texts(failure.reason, failure.outcome, str(failure.attempts), str(failure.jobs), sentence)
    return table


def attempt_line(attempt: Attempt) -> str:
    """Return one attempt as a line; the detail of a success, which has only warnings, is left out."""
    meaning = meaning_of(attempt.reason)
    detail = "" if attempt.reason == Reason.OK else printable(attempt.detail)
    detail = detail or (meaning.sentence if meaning else "")
    return f"  attempt {attempt.attempt}  {attempt.reason:<10} {detail}"


def reasons_table() -> TextTable:
    """Return a table with a row for every reason code."""
    table = text_table("code", "outcome", "status", "meaning", "what to do")
    for reason, meaning in REASON_MEANINGS.items():
        status = str(status_of(reason))
        table.add_texts(reason.value, meaning.outcome.value, status, meaning.sentence, meaning.remedy)
    return table


def dispatched_table(dispatched: DispatchResponse) -> TextTable:
    """Return a table: how many URLs of a crawl were published as jobs, and how many were not, and why."""
    table = text_table("urls", "count")
    table.add_texts("published as jobs", str(dispatched.published))
    table.add_texts("duplicates", str(dispatched.duplicates))
    table.add_texts("over the limit", str(dispatched.over_limit))
    table.add_texts("rejected", str(dispatched.rejected_count))
    for name, count in (
        ("left out by include or exclude", dispatched.filtered),
        ("older than since", dispatched.outdated),
        ("listed sitemaps older than since", dispatched.outdated_sitemaps),
        ("not read completely", dispatched.unread_count),
    ):
        if count:
            table.add_texts(name, str(count))
    return table


def dispatch_line(dispatch: Dispatch) -> str:
    """Return one line: whether the dispatch of a run is complete, and the numbers of its URLs so far."""
    report = dispatch.report
    requests = "1 request" if dispatch.requests == 1 else f"{dispatch.requests} requests"
    counts = [requests, f"{report.published} jobs published"]
    counts += [
        f"{count} {name}"
        for name, count in (
            ("duplicates", report.duplicates),
            ("over the limit", report.over_limit),
            ("rejected", report.rejected_count),
            ("not read completely", report.unread_count),
        )
        if count
    ]
    state = "complete" if dispatch.is_complete else "continues"
    return f"dispatch: {state} ({', '.join(counts)})"


#: Headings of the table of sources, and the attributes of `SourceCounts` that the columns have.
SOURCE_COLUMNS = {
    "found": "found",
    "published": "published",
    "duplicate": "duplicates",
    "rejected": "rejected",
    "filtered": "filtered",
    "too old": "outdated",
    "over limit": "over_limit",
    "unread": "unread",
}


def sources_table(dispatched: DispatchResponse) -> TextTable | None:
    """Return a table of the counts of each source, without columns of zeros; None if there is one source."""
    if len(dispatched.sources) < 2:
        return None
    rows = [source.model_dump() for source in dispatched.sources]
    columns = [name for name, field in SOURCE_COLUMNS.items() if any(row[field] for row in rows)]
    table = text_table("source", *columns)
    for row in rows:
        table.add_texts(row["source"], *(str(row[SOURCE_COLUMNS[name]]) for name in columns))
    return table


def rejected_tables(dispatched: DispatchResponse) -> Iterator[TextTable]:
    """Yield a table of the rejected URLs and one of what was not read; no empty tables.

    The last row says how many are not listed.
    """
    for heading, rows, count in (
        ("rejected url", dispatched.rejected, dispatched.rejected_count),
        ("not read completely", dispatched.unread, dispatched.unread_count),
    ):
        if rows:
            table = text_table(heading, "why")
            for row in rows:
                table.add_texts(row.url, row.why)
            if count > len(rows):
                table.add_texts(f"and {count - len(rows)} more", "")
            yield table


def meaning_of(reason: str) -> ReasonMeaning | None:
    """Return the meaning of a reason code, or None if this version does not have the code."""
    return REASON_MEANINGS[Reason(reason)] if reason in set(Reason) else None


def _common_site(urls: Sequence[str]) -> str:
    sites = {f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, urls)}
    return sites.pop() if len(sites) == 1 else ""


def text_table(*columns: str, title: str | None = None) -> TextTable:
    """Return an empty table with these columns; those of numbers are aligned to the right."""
    table = TextTable(title=title)
    for column in columns:
        numeric = column in NUMERIC_COLUMNS
        is_summary = column == "items"
        table.add_column(
            column,
            justify="right" if numeric else "left",
            min_width=max(map(len, column.split()), default=0) if numeric else None,  # no word is broken
            no_wrap=is_summary or column == "code",
            overflow="ellipsis" if is_summary else "fold",
        )
    return table
