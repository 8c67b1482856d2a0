"""Tests that extraction returns the items of a page, or raises ExtractionError with the reason."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.outcome import Reason
from contract.recipe import Recipe
from extraction.errors import ExtractionError
from extraction.extract import MAX_ITEMS, extract
from extraction.page import SavedPage

URL = "https://shop.example/books/1"


def page(body: str | bytes, content_type: str = "text/html; charset=utf-8") -> SavedPage:
    """Return a page with this body and content type."""
    return SavedPage(URL, content_type, body.encode() if isinstance(body, str) else body)


def recipe(items: str | None = None, **fields: dict[str, Any]) -> Recipe:
    """Return a recipe with these fields."""
    return Recipe.model_validate({"name": "book", "items": items, "fields": fields})


def value(body: str | bytes, content_type: str = "text/html; charset=utf-8", **field: Any) -> object:  # noqa: ANN401 - JSON
    """Return the value of one field of a page."""
    [item] = extract(recipe(f=field), page(body, content_type)).items
    return item["f"]


BOOK = """
<html><body id="b"><h1> A <i>Light</i>
  in the Attic </h1><a href="../2">next</a><a href="/3">last</a>
<p class="price">£51.77</p><p class="stock">In stock (22 available)</p><p class="none"> \n </p></body></html>
"""


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        # As in parsel, the value of an element is all the text inside it; `::text` selects only its own
        # texts, `h1 *::text` all texts inside it, and `::attr(href)` an attribute.
        ({"css": "h1"}, "A Light in the Attic"),
        ({"css": "h1::text"}, "A"),
        ({"css": "h1 *::text", "many": True}, ["A", "Light", "in the Attic"]),
        ({"css": "a::attr(href)"}, "../2"),
        ({"css": "a::attr(href)", "type": "url"}, "https://shop.example/2"),
        (
            {"css": "a::attr(href)", "type": "url", "many": True},
            ["https://shop.example/2", "https://shop.example/3"],
        ),
        ({"css": "i", "type": "html"}, "<i>Light</i>"),
        # An XPath expression may select nodes, or return a string, a number or a boolean.
        ({"xpath": "//h1/i/text()"}, "Light"),
        ({"xpath": "string(//h1)"}, "A Light in the Attic"),
        ({"xpath": "count(//a)", "type": "integer"}, 2),
        ({"xpath": "count(//video)", "type": "integer"}, 0),
        ({"xpath": "boolean(//a)", "type": "boolean"}, True),
        ({"xpath": "boolean(//video)", "type": "boolean"}, False),
        ({"xpath": "//p[re:test(., '^In')]"}, "In stock (22 available)"),
        ({"css": ".price", "type": "number"}, 51.77),
        # The value of a pattern is its group, or the whole match if it has no group.
        ({"css": ".stock", "re": r"\((\d+) available\)", "type": "integer"}, 22),
        ({"css": ".stock", "re": r"\d+", "type": "integer"}, 22),
        ({"css": ".stock", "re": r"sold"}, None),
        ({"css": ".stock", "re": r"sold|(\d+)"}, "22"),
        # The value is the first match with text. Without such a match, the value is None, an empty list, or
        # the default.
        ({"css": "p.none, a"}, "next"),
        ({"css": ".none"}, None),
        ({"css": ".absent"}, None),
        ({"css": ".absent", "many": True}, []),
        ({"css": ".absent", "default": "n/a"}, "n/a"),
        ({"css": ".absent", "many": True, "default": [0]}, [0]),
        ({"css": "a", "many": True}, ["next", "last"]),
        ({"css": "a", "many": True, "required": True}, ["next", "last"]),
    ],
)
def test_field_has_documented_value(field: dict[str, Any], expected: object) -> None:
    """The value of each kind of field is the documented one."""
    assert value(BOOK, **field) == expected


LIST = """<ul><li><b>One</b> 1</li><li><b>Two</b></li><li>three</li></ul><b>outside</b>"""


def test_items_selector_gives_one_item_per_match() -> None:
    """Each match of `items` becomes an item, and its fields are searched only inside this match."""
    found = extract(recipe("li", name={"css": "b"}, all={"xpath": ".", "re": "[a-z]+$"}), page(LIST))
    assert found.items == [
        {"name": "One", "all": None},
        {"name": "Two", "all": "wo"},
        {"name": None, "all": "three"},
    ]
    assert found.warnings == [
        "all: null in 1 of 3, because nothing matches .",
        "name: null in 1 of 3, because nothing matches b",
    ]


def test_page_without_items_is_empty_or_missing_field() -> None:
    """A page without items has an empty result, or fails with `missing_field` if a field is required."""
    assert extract(recipe("tr", name={"css": "td"}), page(LIST)).items == []
    with pytest.raises(
        ExtractionError, match=r"missing_field: no item on the page: nothing matches items \(tr\)"
    ):
        extract(recipe("tr", name={"css": "td", "required": True}), page(LIST))


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        (
            {"isbn": {"css": "#isbn", "required": True}},
            Reason.MISSING_FIELD,
            "isbn: nothing on the page matches #isbn",
        ),
        (
            {"isbn": {"xpath": "//isbn", "required": True}},
            Reason.MISSING_FIELD,
            "isbn: nothing on the page matches //isbn",
        ),
        (
            {"blank": {"css": ".none", "required": True}},
            Reason.MISSING_FIELD,
            "blank: nothing on the page matches .none",
        ),
        (
            {"t": {"css": "h1", "re": "x(y)", "required": True}},
            Reason.MISSING_FIELD,
            "t: nothing on the page matches h1",
        ),
        (
            {"price": {"css": "h1", "type": "number", "required": True}},
            Reason.BAD_VALUE,
            "price: 'A Light in the Attic' contains no number",
        ),
    ],
)
def test_required_field_without_value_raises_extraction_error(
    fields: dict[str, Any], reason: Reason, detail: str
) -> None:
    """The detail of the error contains the field's name, and the selector or the text."""
    with pytest.raises(ExtractionError) as raised:
        extract(recipe(**fields), page(BOOK))
    assert (raised.value.reason, raised.value.detail) == (reason, detail)


def test_optional_field_of_another_type_gives_warning_and_default() -> None:
    """An optional field whose text cannot be converted gets its default, and a warning is returned."""
    found = extract(
        recipe(price={"css": "h1", "type": "number", "default": 0}, title={"css": "i"}), page(BOOK)
    )
    assert found.items == [{"price": 0, "title": "Light"}]
    assert found.warnings == ["price: 'A Light in the Attic' contains no number"]


@pytest.mark.parametrize("xpath", ["//a[$x]", "foo:bar(.)", "unknown()", "re:test(., '(')"])
def test_selector_that_fails_on_evaluation_is_bad_recipe(xpath: str) -> None:
    """A selector that compiles but cannot be evaluated raises ExtractionError with reason `bad_recipe`."""
    with pytest.raises(ExtractionError) as raised:
        extract(
            Recipe.model_construct(name="book", fields=recipe(f={"xpath": "."}).fields | _unchecked(xpath)),
            page(BOOK),
        )
    assert raised.value.reason is Reason.BAD_RECIPE


def _unchecked(xpath: str) -> dict[str, Any]:
    field = recipe(f={"xpath": "."}).fields["f"]
    return {"g": field.model_copy(update={"xpath": xpath})}


def test_page_with_more_than_max_items_is_too_large() -> None:
    """A page with more than MAX_ITEMS items raises ExtractionError with the reason `too_large`."""
    with pytest.raises(ExtractionError, match=f"too_large: {MAX_ITEMS + 1} items on the page"):
        extract(recipe("i", f={"xpath": "."}), page("<i>x</i>" * (MAX_ITEMS + 1)))


XHTML = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>é</title></head><body><h1>One</h1></body></html>"""


def test_xhtml_is_parsed_as_html() -> None:
    """The elements of XHTML are selected by css, even if the page begins with <?xml."""
    assert value(XHTML, css="h1") == "One"
    assert value(XHTML, css="title", content_type="application/xhtml+xml") == "é"


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ('<base href="https://cdn.example/x/">', "https://cdn.example/x/a"),
        ('<base href="/y/">', "https://shop.example/y/a"),
        ("", "https://shop.example/books/a"),
        ('<base href="http://[broken">', "https://shop.example/books/a"),
        ('<base href="http://shop.example:port/">', "https://shop.example/books/a"),
        ('<base href="javascript:alert(1)">', "https://shop.example/books/a"),
        ('<base href="data:text/html,x">', "https://shop.example/books/a"),
    ],
)
def test_relative_url_is_resolved_against_base(base: str, expected: str) -> None:
    """A relative URL is resolved against `<base>` (HTML, 4.2.3), unless the base is not http or https."""
    assert (
        value(f'<html><head>{base}</head><a href="a">x</a></html>', css="a::attr(href)", type="url")
        == expected
    )


ANY_FIELD: dict[str, dict[str, Any]] = {
    "f": {"css": "h1", "type": "number"},
    "g": {"xpath": "//a/@href", "type": "url", "many": True},
    "h": {"css": "*", "type": "html", "re": r"(.)>"},
    "i": {"xpath": "//comment() | //text()"},
}
markup = st.lists(
    st.sampled_from(
        [
            "<h1>",
            "</h1>",
            "<a href='",
            "'>",
            "<base href='http://[",
            "<meta charset='",
            "<!--",
            "-->",
            "<?xml",
            "\0",
            "1,5",
            "<svg:x>",
            "&#xD800;",
            "<![CDATA[",
        ]
    )
    | st.text(max_size=4),
    max_size=12,
).map(lambda parts: "".join(parts).encode(errors="replace"))


@settings(deadline=None)
@given(
    body=st.binary(max_size=200) | markup,
    charset=st.sampled_from(
        ["", "utf-8", "utf-16", "shift_jis", "gb18030", "hz", "utf-7", "raw_unicode_escape"]
    )
    | st.text(max_size=6),
)
def test_any_bytes_give_items_or_extraction_error(body: bytes, charset: str) -> None:
    """Any bytes in any charset give an item with all fields, or raise ExtractionError."""
    try:
        found = extract(recipe(None, **ANY_FIELD), page(body, f"text/html; charset={charset}"))
    except ExtractionError:
        return
    assert [item.keys() for item in found.items] == [ANY_FIELD.keys()]
