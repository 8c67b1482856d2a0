"""Encodes a page and its recipe for a child process, extracts there, and decodes the result. Pure.

Everything that comes back from the child is JSON: a page that anybody may write was parsed there.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

from contract.outcome import MAX_DETAIL_CHARACTERS, Reason
from contract.outcome_record import items_json
from contract.recipe import Recipe, shared_recipe
from extraction.errors import ExtractionError
from extraction.extract import Note, extract, no_note
from extraction.page import PageContent, SavedPage

MAX_ITEMS_BYTES = 4 * 1024 * 1024  #: largest size of all items, in bytes of the outcome's JSON
#: A longer link to the next page, which is no valid URL, is cut, so that a page cannot make the result large.
MAX_LINK_CHARACTERS = 100_000


class ExtractedItems(NamedTuple):
    """The items of a page as they are published.

    Attributes:
        items: the items as JSON text, at most `MAX_ITEMS_BYTES`.
        item_count: number of items.
        warnings: see `extraction.extract.Extracted`; at most as many as fit into the detail of an outcome.
        next_url: see `extraction.extract.Extracted`; at most `MAX_LINK_CHARACTERS`.
    """

    items: str
    item_count: int
    warnings: list[str]
    next_url: str


def extract_items(
    recipe: Recipe, page: PageContent, *, may_be_empty: bool, note: Note = no_note
) -> ExtractedItems:
    """Extract the items of a page; the arguments are those of `extraction.extract.extract`.

    Raises:
        ExtractionError: as `extract`; or `too_large`, if the items have more than `MAX_ITEMS_BYTES`.
    """
    extracted = extract(recipe, page, may_be_empty=may_be_empty, note=note)
    note("the JSON of the items")
    items = items_json(extracted.items)
    # In a JSON text, of all characters that JSON escapes there are only quotation marks and backslashes.
    size = len(items.encode(errors="replace")) + items.count('"') + items.count("\\") + len('""')
    if size > MAX_ITEMS_BYTES:
        detail = f"the items have {size} bytes; the maximum is {MAX_ITEMS_BYTES}"
        raise ExtractionError(Reason.TOO_LARGE, detail)
    warnings = list(_shortened(extracted.warnings))
    return ExtractedItems(items, len(extracted.items), warnings, extracted.next_url[:MAX_LINK_CHARACTERS])


def _shortened(warnings: list[str]) -> Iterator[str]:
    """Yield the warnings until they fill the detail of an outcome."""
    remaining = MAX_DETAIL_CHARACTERS
    for warning in warnings:
        yield warning[:remaining]
        remaining -= len(warning)
        if remaining <= 0:
            return


def encode_request(recipe: Recipe, page: PageContent, *, may_be_empty: bool) -> bytes:
    """Return the request for `run`; the page's body is passed apart from it."""
    return json.dumps([_text_of(recipe), page.url, page.content_type, may_be_empty]).encode()


def run(request: bytes, body: bytes, note: Note) -> bytes:
    """Extract the items of a page; this is the function of the child processes.

    Args:
        request: the result of `encode_request`.
        body: the page's body.
        note: see `extraction.extract.extract`.
    """
    recipe_text, url, content_type, may_be_empty = json.loads(request)
    page = SavedPage(url, content_type, body)
    try:
        result = extract_items(shared_recipe(recipe_text), page, may_be_empty=may_be_empty, note=note)
    except ExtractionError as error:
        return json.dumps({"reason": error.reason, "detail": error.detail}).encode()
    items, *others = result
    return json.dumps(others).encode() + b"\n" + items.encode(errors="surrogatepass")


def decode_result(result: bytes) -> ExtractedItems:
    """Return the items of a result of `run`: a line of JSON, and, after a success, the JSON of the items.

    Raises:
        ExtractionError: if the extraction failed.
    """
    line, _, items = result.partition(b"\n")
    document = json.loads(line)
    if isinstance(document, dict):
        raise ExtractionError(Reason(document["reason"]), document["detail"])
    return ExtractedItems(items.decode(errors="surrogatepass"), *document)


class _TextOf:
    """Returns the JSON text of a recipe, and keeps it: most pages have the recipe of the page before."""

    def __init__(self) -> None:
        self._last: tuple[Recipe | None, str] = (None, "")

    def __call__(self, recipe: Recipe) -> str:
        last, text = self._last
        if last is not recipe:
            text = recipe.model_dump_json(exclude_defaults=True)
            self._last = (recipe, text)
        return text


_text_of = _TextOf()
