"""Tests that values, texts and warnings are bounded, and that no page crashes the extraction."""

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.faults import UnreadableRecipe
from contract.outcome import Reason
from contract.recipe import Recipe
from extraction.errors import ExtractionError
from extraction.explain import explain
from extraction.extract import MAX_CHARACTERS, MAX_WARNINGS, Extracted, extract
from extraction.page import SavedPage
from extraction.selectors import CHECKS

URL = "https://shop.example/books/1"


def scrape(body: str, content_type: str = "text/html", **recipe: Any) -> object:  # noqa: ANN401 - JSON
    """Return the items that a recipe finds."""
    document = {"name": "r", **recipe}
    return extract(Recipe.from_document(document, CHECKS), SavedPage(URL, content_type, body.encode())).items


def test_values_larger_than_max_characters_are_too_large() -> None:
    """Items that each select the whole page are rejected if their total length exceeds MAX_CHARACTERS."""
    body = "<p>" + "word " * 10_000 + "</p>" + "<i></i>" * 1000
    with pytest.raises(ExtractionError, match=rf"too_large: the values have more than {MAX_CHARACTERS}"):
        scrape(body, items="i", fields={"all": {"xpath": "/*", "type": "html"}})


@pytest.mark.parametrize(
    "transforms",
    [
        [{"replace": {"a": "a" * 100}}] * 10,
        [{"split": "a"}, {"join": "a" * 100}, {"replace": {"a": "a" * 100}}, {"replace": {"a": "a" * 100}}],
        [{"split": "a"}],
    ],
)
def test_transforms_that_multiply_text_are_bad_recipe(transforms: list[Any]) -> None:
    """Transforms are rejected before they make a text too long or make too many texts."""
    with pytest.raises(ExtractionError, match=r"bad_recipe: .*the transforms make"):
        scrape("<p>" + "a" * 200_000, fields={"f": {"css": "p", "transforms": transforms}})


def test_warnings_are_limited() -> None:
    """A page with 500 invalid prices gives only MAX_WARNINGS warnings."""
    recipe = Recipe.from_document(
        {"name": "r", "items": "p", "fields": {"n": {"xpath": ".", "type": "number"}}}, CHECKS
    )
    found = extract(recipe, SavedPage(URL, "text/html", b"<p>free</p>" * 500))
    assert len(found.items) == 500
    assert len(found.warnings) == MAX_WARNINGS


def test_texts_that_repeat_each_other_are_too_large() -> None:
    """Nested elements repeat the text inside them; the texts are counted before they are transformed."""
    body = "<div>" * 250 + "word " * 100_000
    with pytest.raises(ExtractionError, match="too_large: the texts of a field have more than"):
        scrape(body, fields={"f": {"css": "div", "many": True, "transforms": ["strip"]}})


def test_what_is_extracted_is_noted() -> None:
    """The note names the part of the recipe, so that it is known where an extraction was ended."""
    recipe = Recipe.from_document(
        {"name": "r", "items": "p", "fields": {"n": {"xpath": "."}}, "next": "a"}, CHECKS
    )
    notes = list[str]()
    extract(recipe, SavedPage(URL, "text/html", b"<p>1</p><p>2</p>"), note=notes.append)
    assert notes == ["the page", "items", "n", "n", "next"]


def test_long_page_of_short_sibling_lists_is_evaluated() -> None:
    """A sibling selector is evaluated in a table of 3,000 rows, because siblings are counted per parent."""
    body = "<table>" + "<tr><th>a<td>b<td>c" * 3000 + "</table>"
    found = scrape(body, items="tr", fields={"c": {"css": "th ~ td:nth-child(3)"}})
    assert isinstance(found, list)
    assert found[-1] == {"c": "c"}


TAGS = [
    "<div>", "</div>", "<p class='a'>", "<a href='", "'>", "<script type='application/ld+json'>", "</script>",
    "<meta property='og:title' content='", '{"@type": "A", "b": [', "]}", "<![CDATA[", "]]>", "&amp", "&#0;",
    "<?xml", "\0", "1.234,5", "22.11.2026 10:00", '{"a": {"b": [1, null, 1e999, "\\ud800"]}}', "[" * 50,
]  # fmt: skip
pages = st.lists(st.sampled_from(TAGS) | st.text(max_size=4), max_size=15).map(
    lambda parts: "".join(parts).encode(errors="replace")
)
selectors: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"css": "*"},
        {"css": "a::attr(href)"},
        {"xpath": "//text()"},
        {"xpath": "count(//*) div 0"},
        {"xpath": "re:test(string(/), '.')"},
        {"xpath": "//*/following-sibling::*"},
        {"css": "script", "jmespath": "*"},
        {"jmespath": "a.b"},
        {"jmespath": "sort_by(@, &a) || to_string(@)"},
        {"jmespath": "*.*[]"},
        {"jsonld": "A.b"},
        {"jsonld": "A"},
        {"meta": "og:title"},
    ]
)
transforms = st.lists(
    st.sampled_from(
        [
            "strip",
            "lower",
            "upper",
            "normalise_space",
            {"split": "a"},
            {"join": "--"},
            {"replace": {"a": "bb"}},
        ]
    ),
    max_size=3,
)
text_fields: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda selector, more: selector | {name: given for name, given in more.items() if given},
    selectors,
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(
                ["text", "number", "integer", "boolean", "url", "html", "date", "datetime"]
            ),
            "many": st.booleans(),
            "required": st.booleans(),
            "re": st.sampled_from([None, r"(\w+)", ".", r"\d+$"]),
            "transforms": transforms,
            "locale": st.sampled_from([None, "de", "en-US"]),
        }
    ),
)
sourced = st.builds(lambda sources: {"sources": sources}, st.lists(selectors, min_size=1, max_size=3))
fields = st.recursive(
    text_fields | sourced,
    lambda inner: st.builds(
        lambda selector, items, inside: {"fields": inside, **({"items": items} if items else selector)},
        st.just({}) | selectors.filter(lambda selector: "meta" not in selector),
        st.none() | selectors.filter(lambda selector: "meta" not in selector),
        st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=2),
    ),
    max_leaves=5,
)
recipes = st.fixed_dictionaries(
    {
        "name": st.just("r"),
        "fields": st.dictionaries(st.sampled_from("abcd"), fields, min_size=1, max_size=3),
    },
    optional={
        "items": selectors.filter(lambda selector: "meta" not in selector),
        "next": selectors,
        "markup": st.sampled_from(["html", "xml"]),
    },
)


@settings(deadline=None)
@given(
    body=st.binary(max_size=100) | pages,
    content_type=st.sampled_from(
        ["text/html", "application/json", "application/xhtml+xml", "text/xml", "", "text/x; charset=hz"]
    ),
    document=recipes,
)
def test_any_page_and_recipe_give_items_or_extraction_error(
    body: bytes, content_type: str, document: dict[str, Any]
) -> None:
    """Any page and recipe give complete items or raise ExtractionError, and `explain` has the same result."""
    try:
        recipe = Recipe.from_document(document, CHECKS)
    except UnreadableRecipe:
        pytest.fail("the strategy drew an invalid recipe")
    page = SavedPage(URL, content_type, body)
    explained = explain(recipe, page)
    found = _outcome(recipe, page)
    if isinstance(found, Reason):
        assert found in REASONS
        assert explained.error is not None
        assert explained.error.reason is found
    else:
        assert all(item.keys() == recipe.fields.keys() for item in found.items)
        assert explained.extracted == found


REASONS = {Reason.MISSING_FIELD, Reason.BAD_VALUE, Reason.BAD_RECIPE, Reason.CHARSET, Reason.TOO_LARGE}


def _outcome(recipe: Recipe, page: SavedPage) -> Extracted | Reason:
    try:
        return extract(recipe, page)
    except ExtractionError as error:
        return error.reason


@pytest.mark.parametrize(
    ("markup", "body", "field"),
    [
        ("html", "<script>" + " " * 1_000_000 + "x</script>", {"css": "script", "jmespath": "a"}),
        ("html", "<script>/*" + "\n" * 1_000_000 + "x</script>", {"css": "script", "jmespath": "a"}),
        ("html", "<script>" + "a." * 500_000 + "</script>", {"css": "script", "jmespath": "a"}),
        ("html", "<script type='application/ld+json'>" + "[" * 500_000 + "</script>", {"jsonld": "A.b"}),
        ("xml", "<r>" + "<![CDATA[" * 100_000 + "&", {"css": "a"}),
        ("xml", "<r>" + "&a" * 500_000, {"css": "a"}),
        ("html", "<p>" + "1," * 300_000, {"css": "p", "type": "number", "locale": "de"}),
        ("html", "<p>" + "1 111" * 200_000, {"css": "p", "type": "number", "decimal": "."}),
        ("html", "<p>" + "22 " * 300_000, {"css": "p", "type": "date"}),
        ("html", "<p>" + "a" * 1_000_000, {"css": "p", "transforms": [{"split": "b"}, "upper"]}),
        ("html", "<meta name=a content=b>" * 50_000, {"meta": "a", "many": True}),
    ],
)
def test_hostile_megabyte_takes_linear_time(markup: str, body: str, field: dict[str, Any]) -> None:
    """A hostile page of a megabyte is processed in less than 60 s; in quadratic time, it would take hours."""
    started = time.thread_time()
    with suppress(ExtractionError):
        scrape(body, "text/xml" if markup == "xml" else "text/html", markup=markup, fields={"f": field})
    assert time.thread_time() - started < 60
