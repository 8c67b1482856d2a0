"""Tests that a page and its items pass through the bytes of a child process unchanged."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.outcome import MAX_DETAIL_CHARACTERS, Reason
from contract.recipe import Recipe
from extraction.errors import ExtractionError
from extraction.extract import no_note
from extraction.extract_items import (
    MAX_ITEMS_BYTES,
    MAX_LINK_CHARACTERS,
    ExtractedItems,
    decode_result,
    encode_request,
    extract_items,
    run,
)
from extraction.page import SavedPage
from extraction.selectors import CHECKS

URL = "https://shop.example/books/1"
RECIPE = Recipe.from_document(
    {
        "name": "books",
        "items": "p",
        "fields": {"title": {"css": "b", "type": "text"}, "price": {"css": "i", "type": "number"}},
        "next": "a",
    },
    CHECKS,
)


def through_child(recipe: Recipe, page: SavedPage, *, may_be_empty: bool = True) -> ExtractedItems:
    """Extract as a child does, with everything encoded."""
    return decode_result(run(encode_request(recipe, page, may_be_empty=may_be_empty), page.body, no_note))


@given(text=st.text(max_size=40), number=st.text("0123456789,. €", max_size=8))
def test_a_child_finds_the_same_items(text: str, number: str) -> None:
    """Items, warnings and the next link are those of an extraction in this process, for any text."""
    body = f"<p><b>{text}</b><i>{number}</i></p><a href='?page=2'>next</a>".encode(errors="replace")
    page = SavedPage(URL, "text/html; charset=utf-8", body)
    assert through_child(RECIPE, page) == extract_items(RECIPE, page, may_be_empty=True)


def test_a_lone_surrogate_passes_through() -> None:
    """JSON pages can contain half of a character, which is no UTF-8."""
    recipe = Recipe.from_document({"name": "r", "fields": {"f": {"jmespath": "f"}}}, CHECKS)
    page = SavedPage(URL, "application/json", b'{"f": "a\\ud800b"}')
    assert json.loads(through_child(recipe, page).items) == json.loads(
        extract_items(recipe, page, may_be_empty=True).items
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"f": {"css": "h6", "required": True}}, Reason.MISSING_FIELD),
        ({"f": {"css": "b", "type": "number", "required": True}}, Reason.BAD_VALUE),
    ],
)
def test_an_error_has_the_same_reason_and_detail(fields: dict[str, Any], reason: Reason) -> None:
    """An extraction that fails in a child raises the error that it raises here."""
    recipe = Recipe.from_document({"name": "r", "fields": fields}, CHECKS)
    page = SavedPage(URL, "text/html", b"<b>free</b>")
    with pytest.raises(ExtractionError) as here:
        extract_items(recipe, page, may_be_empty=False)
    with pytest.raises(ExtractionError) as raised:
        through_child(recipe, page, may_be_empty=False)
    assert (raised.value.reason, raised.value.detail) == (reason, here.value.detail)


def test_items_over_the_maximum_are_too_large() -> None:
    """The size is counted as in the outcome's JSON, where each quotation mark of the items is escaped."""
    recipe = Recipe.from_document({"name": "r", "fields": {"f": {"css": "p", "type": "html"}}}, CHECKS)
    page = SavedPage(URL, "text/html", b"<p>" + b'"' * MAX_ITEMS_BYTES)
    with pytest.raises(ExtractionError, match=f"too_large: .*the maximum is {MAX_ITEMS_BYTES}"):
        through_child(recipe, page)


def test_warnings_and_links_of_a_page_are_bounded() -> None:
    """Very many warnings, and a link of megabytes, do not make the result large."""
    recipe = Recipe.from_document(
        {"name": "r", "fields": {"f": {"jsonld": "Product.name"}}, "next": "a"}, CHECKS
    )
    blocks = b"<script type='application/ld+json'>[{</script>" * 1000
    page = SavedPage(URL, "text/html", blocks + b"<a href='/" + b"n" * 1_000_000 + b"'>next</a>")
    extracted = through_child(recipe, page)
    assert extracted.warnings[0].startswith("JSON-LD block 1 of the page is not JSON")
    assert sum(map(len, extracted.warnings)) == MAX_DETAIL_CHARACTERS
    assert len(extracted.next_url) == MAX_LINK_CHARACTERS
