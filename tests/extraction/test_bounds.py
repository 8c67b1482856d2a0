"""Tests that no page and no recipe can keep a worker busy, fill its memory, or crash it."""

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.faults import UnreadableRecipe
from contract.outcome import Reason
from contract.recipe import Recipe
from extraction import cost, selection
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


class OutOfTime(Exception):
    """The deadline has expired."""


class CountdownDeadline:
    """A deadline that expires after a number of checks.

    Attributes:
        remaining: number of checks until the deadline expires.
    """

    def __init__(self, remaining: int) -> None:
        self.remaining = remaining

    def __call__(self) -> None:
        """Count one check, or raise OutOfTime."""
        if not self.remaining:
            raise OutOfTime
        self.remaining -= 1


@pytest.mark.parametrize("nested", [False, True])
def test_deadline_is_checked_between_items(nested: bool) -> None:
    """The extraction of a page with many items ends at the deadline, not after the last item."""
    fields: dict[str, Any] = {"a": {"css": "b"}}
    item_list = {"items": "p", "fields": fields}
    keys = {"fields": {"rows": item_list}} if nested else item_list
    recipe = Recipe.from_document({"name": "r", **keys}, CHECKS)
    page = SavedPage(URL, "text/html", b"<p><b>x</b></p>" * 1000)
    with pytest.raises(OutOfTime):
        extract(recipe, page, CountdownDeadline(500))
    assert extract(recipe, page, CountdownDeadline(2000)).items


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


@pytest.mark.parametrize(
    ("css", "xpath"),
    [
        ("b ~ b", None),
        (None, "//b[//i]"),
        (None, "//b/following::b"),
        (None, "//b[preceding::i[preceding::b]]"),
    ],
)
def test_quadratic_selector_is_too_large_and_not_evaluated(
    css: str | None, xpath: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A selector that compares too many elements is rejected before it is evaluated.

    libxml2 cannot be interrupted, and comparing 4,000 siblings with each other takes half a minute.
    """
    evaluated = list[str]()
    monkeypatch.setattr(selection, "compile_xpath", lambda expression: lambda _: evaluated.append(expression))
    body = "<b>x</b>" * 25_000
    with pytest.raises(
        ExtractionError, match=r"too_large: .* compares 2500\d elements with each other; the maximum is"
    ):
        scrape(body, fields={"f": {"css": css, "xpath": xpath}})
    assert evaluated == []


@pytest.mark.parametrize(
    ("expression", "exponent"),
    [
        ("//a", None),
        ("//div[.//a]//b/@href", None),
        ("//th[. = 'x']/following-sibling::td[1]", 2),
        ("//dt/following-sibling::dd", 3),
        ("//li[count(preceding-sibling::*) = 1]", 2),
        ("//a[. = 'following::b']", None),
        ("//a/following::b", 3),
        ("//a[//b]", 2),
        ("//a[count(/x/y) = 1]", 2),
        ("a[position() = 2]", None),
    ],
)
def test_estimate_cost_gives_exponent(expression: str, exponent: int | None) -> None:
    """The exponent is 2 if nodes are compared with each other, and 3 if they are also part of the result.

    If no nodes are compared, there is no estimate.
    """
    estimate = cost.estimate_cost(expression)
    assert (estimate and estimate.exponent) == exponent


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("descendant-or-self::th/following-sibling::td", {"th"}),
        ("//div[@class = 'a b']/dt[. = 'x']/following-sibling::dd[1]", {"div", "dt"}),
        ("//*[@id]/following-sibling::b", {"*"}),
        ("descendant-or-self::li[count(preceding-sibling::*) = 1]", {"li"}),
        ("following-sibling::p", set()),
        ("../following-sibling::p", {"*"}),
        ("//content:encoded/following-sibling::p", {"*"}),
    ],
)
def test_estimate_cost_gives_names_of_compared_elements(expression: str, names: set[str]) -> None:
    """The cost has the names of the compared elements, so that long lists of other elements do not count."""
    estimate = cost.estimate_cost(expression)
    assert estimate is not None
    assert set(estimate.names or ()) == names


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
        ("html", "<div>" * 100_000, {"css": "div div div"}),
        ("html", "<meta name=a content=b>" * 50_000, {"meta": "a", "many": True}),
    ],
)
def test_hostile_megabyte_takes_linear_time(markup: str, body: str, field: dict[str, Any]) -> None:
    """A hostile page of a megabyte is processed in less than 60 s; in quadratic time, it would take hours."""
    started = time.process_time()
    with suppress(ExtractionError):
        scrape(body, "text/xml" if markup == "xml" else "text/html", markup=markup, fields={"f": field})
    assert time.process_time() - started < 60
