"""Encodes a page and its recipe for a child process, extracts there, and decodes the result. Pure.

Everything that comes back from the child is JSON: a page that anybody may write was parsed there.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from contract.outcome import MAX_DETAIL_CHARACTERS, Reason
from contract.outcome_record import items_json
from contract.recipe import Recipe
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
    size = len(json.dumps(items, ensure_ascii=False).encode(errors="replace"))
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
    recipe_text = recipe.model_dump_json(exclude_defaults=True)
    return json.dumps([recipe_text, page.url, page.content_type, may_be_empty]).encode()


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
        result = extract_items(_recipe(recipe_text), page, may_be_empty=may_be_empty, note=note)
    except ExtractionError as error:
        return json.dumps({"reason": error.reason, "detail": error.detail}).encode()
    return json.dumps(result._asdict(), ensure_ascii=False).encode(errors="surrogatepass")


def decode_result(result: bytes) -> ExtractedItems:
    """Return the items of a result of `run`.

    Raises:
        ExtractionError: if the extraction failed.
    """
    document = json.loads(result.decode(errors="surrogatepass"))
    if "reason" in document:
        raise ExtractionError(Reason(document["reason"]), document["detail"])
    return ExtractedItems(**document)


@lru_cache(maxsize=256)
def _recipe(text: str) -> Recipe:
    """Return the recipe of a JSON text; all jobs of a crawl have the same one."""
    return Recipe.model_validate_json(text)
