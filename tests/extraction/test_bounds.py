"""Bounds: no page and no recipe holds a worker, fills its memory, or ends it with an exception of its own."""

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.faults import UnreadableRecipe
from contract.outcome import Reason
from contract.recipe import Recipe
from extraction import cost
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
    """The budget is spent."""


class CountdownDeadline:
    """Allows so many items.

    Attributes:
        left: how many more.
    """

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self) -> None:
        """Count one, or raise."""
        if not self.left:
            raise OutOfTime
        self.left -= 1


@pytest.mark.parametrize("nested", [False, True])
def test_the_budget_is_looked_at_between_items(nested: bool) -> None:
    """A page with thousands of items ends when its time does, not after the last of them."""
    fields: dict[str, Any] = {"a": {"css": "b"}}
    whole = (
        {"fields": {"rows": {"items": "p", "fields": fields}}} if nested else {"items": "p", "fields": fields}
    )
    recipe = Recipe.from_document({"name": "r", **whole}, CHECKS)
    page = SavedPage(URL, "text/html", b"<p><b>x</b></p>" * 1000)
    with pytest.raises(OutOfTime):
        extract(recipe, page, CountdownDeadline(500))
    assert extract(recipe, page, CountdownDeadline(2000)).items


def test_values_that_repeat_the_page_are_too_large() -> None:
    """Each item may point at the whole page; together they may not be many times as large."""
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
def test_transforms_do_not_grow_without_end(transforms: list[Any]) -> None:
    """Ten times a hundredfold is told, not tried."""
    with pytest.raises(ExtractionError, match=r"bad_recipe: .*the transforms make"):
        scrape("<p>" + "a" * 200_000, fields={"f": {"css": "p", "transforms": transforms}})


def test_remarks_have_an_end() -> None:
    """A page full of odd prices does not fill the outcome with complaints."""
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
def test_a_selector_that_compares_all_with_all_is_not_begun(css: str | None, xpath: str | None) -> None:
    """Nothing interrupts libxml2: 4,000 siblings compared with each other take it half a minute."""
    body = "<b>x</b>" * 25_000
    started = time.perf_counter()
    with pytest.raises(
        ExtractionError, match=r"too_large: .* compares 2500\d elements with each other; at most"
    ):
        scrape(body, fields={"f": {"css": css, "xpath": xpath}})
    assert time.perf_counter() - started < 15


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
def test_what_a_selector_costs_is_seen_in_it(expression: str, exponent: int | None) -> None:
    """Going along siblings compares nodes with each other; collecting them there, once more."""
    price = cost.estimate_cost(expression)
    assert (price and price.exponent) == exponent


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
def test_whose_siblings_are_compared_is_seen_too(expression: str, names: set[str]) -> None:
    """A long menu elsewhere on the page is none of a table's business."""
    price = cost.estimate_cost(expression)
    assert price is not None
    assert set(price.names or ()) == names


def test_a_long_page_of_short_lists_costs_nothing() -> None:
    """Siblings count by their parent: a table of 3,000 rows may ask each row for its second cell."""
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
places: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
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
texts_of: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda place, more: place | {name: given for name, given in more.items() if given},
    places,
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
sourced = st.builds(lambda sources: {"sources": sources}, st.lists(places, min_size=1, max_size=3))
fields = st.recursive(
    texts_of | sourced,
    lambda inner: st.builds(
        lambda place, items, inside: {"fields": inside, **({"items": items} if items else place)},
        st.just({}) | places.filter(lambda place: "meta" not in place),
        st.none() | places.filter(lambda place: "meta" not in place),
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
        "items": places.filter(lambda place: "meta" not in place),
        "next": places,
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
def test_any_page_by_any_recipe_is_items_or_an_ending(
    body: bytes, content_type: str, document: dict[str, Any]
) -> None:
    """Whatever a site sends and whatever a recipe says: items with all their fields, or a reason."""
    try:
        recipe = Recipe.from_document(document, CHECKS)
    except UnreadableRecipe:
        pytest.fail("the strategy made no recipe")
    page = SavedPage(URL, content_type, body)
    told = explain(recipe, page)
    found = _outcome(recipe, page)
    if isinstance(found, Reason):
        assert found in ENDINGS
        assert told.error is not None
        assert told.error.reason is found
    else:
        assert all(item.keys() == recipe.fields.keys() for item in found.items)
        assert told.extracted == found


ENDINGS = {Reason.MISSING_FIELD, Reason.BAD_VALUE, Reason.BAD_RECIPE, Reason.CHARSET, Reason.TOO_LARGE}


def _outcome(recipe: Recipe, page: SavedPage) -> Extracted | Reason:
    try:
        return extract(recipe, page)
    except ExtractionError as ended:
        return ended.reason


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
def test_a_hostile_megabyte_is_read_once(markup: str, body: str, field: dict[str, Any]) -> None:
    """Time in proportion to the page: seconds at the very most, on any machine."""
    started = time.process_time()
    with suppress(ExtractionError):
        scrape(body, "text/xml" if markup == "xml" else "text/html", markup=markup, fields={"f": field})
    assert time.process_time() - started < 5
