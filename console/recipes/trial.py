"""`scrapeq try`: one page by one recipe, with where each value came from."""

import json
import mimetypes
from collections.abc import Iterator
from pathlib import Path

from rich import box
from rich.table import Table

from console.errors import UsageError
from console.recipes.fetch_page import fetch_page
from console.terminal import printable
from contract.recipe import Recipe
from extraction.explain import Explained, Finding, explain
from extraction.page import PageContent, SavedPage

MAX_FILE_BYTES = 50 * 1024 * 1024
MAX_SHOWN_ITEMS = 5  #: whose findings the table shows
_TYPES = {
    ".json": "application/json",
    ".xml": "application/xml",
    ".rss": "application/rss+xml",
    ".atom": "application/atom+xml",
}


def open_page(place: str, url: str, *, respect_robots: bool) -> PageContent:
    """Return the page at a URL, or the one saved in a file as if it were at `url`.

    Raises:
        UsageError: for a file that cannot be read; else as `fetch_page`.
    """
    if place.lower().startswith(("http://", "https://")):
        return fetch_page(place, respect_robots=respect_robots)
    path = Path(place)
    try:
        with path.open("rb") as file:
            body = file.read(MAX_FILE_BYTES + 1)
    except OSError as wrong:
        raise UsageError(f"{path} cannot be read: {wrong.strerror}.") from None
    if len(body) > MAX_FILE_BYTES:
        raise UsageError(f"{path} has more than {MAX_FILE_BYTES} bytes.")
    content_type = _TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "text/html"
    return SavedPage(url, content_type, body)


def attempt(recipe: Recipe, page: PageContent) -> Explained:
    """Return what the recipe finds on the page, and where."""
    return explain(recipe, page)


def items_json_lines(tried: Explained) -> Iterator[str]:
    """Yield each item as a line of JSON."""
    for item in tried.extracted.items:
        yield json.dumps(item, ensure_ascii=False)


def findings_json_lines(tried: Explained) -> Iterator[str]:
    """Yield each finding as a line of JSON."""
    for finding in tried.findings:
        yield json.dumps(finding._asdict(), ensure_ascii=False)


def findings_table(tried: Explained) -> Table:
    """Return where the values of the first items came from, or why there are none."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("item", "field", "source", "found", "value, or why there is none"):
        table.add_column(column, justify="right" if column == "item" else "left", overflow="fold")
    for finding in tried.findings:
        if finding.item > MAX_SHOWN_ITEMS:
            break
        table.add_row(str(finding.item), *(printable(text) for text in _texts(finding)))
    return table


def closing_lines(tried: Explained) -> Iterator[str]:
    """Yield what there is to say at the end: how many items, warnings, the next page, what ended it."""
    extracted = tried.extracted
    if len(extracted.items) > MAX_SHOWN_ITEMS:
        yield f"The table shows the first {MAX_SHOWN_ITEMS} items; --format jsonl shows all."
    for warning in extracted.warnings:
        yield f"warning: {printable(warning)}"
    if extracted.next_url:
        yield f"next page: {printable(extracted.next_url)}"
    if tried.error is not None:
        yield f"The job would end here. {printable(str(tried.error))}"
    else:
        yield f"{len(extracted.items)} {'item' if len(extracted.items) == 1 else 'items'}"


def _texts(finding: Finding) -> tuple[str, str, str, str]:
    outcome = finding.why or json.dumps(finding.value, ensure_ascii=False)
    return finding.path, finding.source, _cut(finding.raw), _cut(outcome)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 120 else text[:119] + "…"
