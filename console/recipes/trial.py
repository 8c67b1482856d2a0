"""Opens the page for `scrapeq try`, and formats the items and findings of the recipe."""

import json
import mimetypes
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from console.recipes.bounded_file import read_bounded
from console.recipes.fetch_page import NO_SETTINGS, fetch_page
from console.recipes.page_cache import PageCache, cache_key
from console.terminal import TextTable, json_line, printable
from contract.request import PageRequest
from extraction.explain import Explained, Finding
from extraction.page import PageContent, SavedPage

MAX_FILE_BYTES = 50 * 1024 * 1024  #: maximum size of a saved page in bytes
MAX_SHOWN_ITEMS = 5  #: maximum number of items whose findings the table shows
MAX_TEXT_CHARACTERS = 120  #: maximum length of a text in the table
#: Content types by file suffix, for suffixes that `mimetypes` does not have on every system.
CONTENT_TYPES = {
    ".json": "application/json",
    ".xml": "application/xml",
    ".rss": "application/rss+xml",
    ".atom": "application/atom+xml",
}


class PageOptions(NamedTuple):
    """How the page of a trial is opened.

    Attributes:
        url: URL of a saved page, the base of its links.
        respect_robots: whether robots.txt may forbid a fetch.
        settings: settings of the worker, by the name of their variable, instead of those of the environment.
        cache: keeps fetched pages; None if they are not kept.
        refresh: whether a page is fetched although it is in the cache.
    """

    url: str = "https://example.com/"
    respect_robots: bool = True
    settings: Mapping[str, str] = NO_SETTINGS
    cache: PageCache | None = None
    refresh: bool = False


class OpenedPage(NamedTuple):
    """A page, and where it comes from if it was not fetched just now; `""` if it was, or is a file."""

    page: PageContent
    note: str = ""


def open_page(place: str, request: PageRequest, options: PageOptions) -> OpenedPage:
    """Return a page that is fetched from a URL, or read from the cache or a file.

    Args:
        place: URL, or path of a saved page.
        request: how a page is fetched.
        options: how the page is opened.

    Raises:
        UsageError: the file cannot be read or is too large, or `fetch_page` raises this error.
        PageNotFetched: the page could not be fetched.
    """
    if is_url(place):
        return _fetched(place, request, options)
    path = Path(place)
    body = read_bounded(path, MAX_FILE_BYTES, "a page")
    content_type = CONTENT_TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "text/html"
    return OpenedPage(SavedPage(options.url, content_type, body))


def is_url(place: str) -> bool:
    """Return whether a place is a URL; otherwise it is the path of a saved page."""
    return place.lower().startswith(("http://", "https://"))


def _fetched(url: str, request: PageRequest, options: PageOptions) -> OpenedPage:
    robots, settings = options.respect_robots, options.settings
    key = cache_key(url, request, respect_robots=robots, settings=settings)
    cached = options.cache.get(key) if options.cache and not options.refresh else None
    if cached is not None:
        age = duration(cached.age_seconds)
        return OpenedPage(cached.page, f"The page is from the cache, {age} old; --refresh fetches it again.")
    page = fetch_page(url, respect_robots=robots, request=request, settings=settings)
    if options.cache is not None:
        try:
            options.cache.put(key, page)
        except OSError as error:
            return OpenedPage(page, f"warning: the page is not kept for the next try: {error.strerror}.")
    return OpenedPage(page)


def duration(seconds: float) -> str:
    """Return a time in its largest unit, for example `3 min`."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def items_json_lines(explained: Explained) -> Iterator[str]:
    """Yield each item as a line of JSON."""
    for item in explained.extracted.items:
        yield json_line(item)


def findings_json_lines(explained: Explained) -> Iterator[str]:
    """Yield each finding as a line of JSON."""
    for finding in explained.findings:
        yield json_line(finding._asdict())


def findings_table(explained: Explained) -> TextTable:
    """Return a table of the findings of the first items: source, text, and value or why it is missing."""
    table = TextTable()
    for column in ("item", "field", "source", "found", "value, or why it is missing"):
        table.add_column(column, justify="right" if column == "item" else "left", overflow="fold")
    for finding in explained.findings:
        if finding.item > MAX_SHOWN_ITEMS:
            break
        table.add_texts(str(finding.item), *_texts(finding))
    return table


def summary_lines(explained: Explained) -> Iterator[str]:
    """Yield the lines below the table: warnings, the next page, the error or the number of items."""
    extracted = explained.extracted
    if len(extracted.items) > MAX_SHOWN_ITEMS:
        yield f"The table shows the first {MAX_SHOWN_ITEMS} items; --format jsonl shows all."
    for warning in extracted.warnings:
        yield f"warning: {printable(warning)}"
    if extracted.next_url:
        yield f"next page: {printable(extracted.next_url)}"
    if explained.error is not None:
        yield f"The job would fail. {printable(str(explained.error))}"
    else:
        yield f"{len(extracted.items)} {'item' if len(extracted.items) == 1 else 'items'}"


def _texts(finding: Finding) -> tuple[str, str, str, str]:
    outcome = finding.why or json.dumps(finding.value, ensure_ascii=False)
    return finding.path, finding.source, _shorten(finding.raw), _shorten(outcome)


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_TEXT_CHARACTERS else text[: MAX_TEXT_CHARACTERS - 1] + "…"
