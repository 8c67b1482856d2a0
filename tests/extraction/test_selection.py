"""Tests of all kinds of sources (css, xpath, JSON, JSON-LD, metas), of transforms, and of objects."""

import json
from typing import Any

import pytest

from contract.outcome import Reason
from contract.recipe import Recipe
from extraction.errors import ExtractionError
from extraction.explain import explain
from extraction.extract import Extracted, extract
from extraction.json_text import InvalidJson, parse_script
from extraction.page import SavedPage
from extraction.selectors import CHECKS
from extraction.xml import escape_stray_ampersands

URL = "https://shop.example/books/1"
PAGE = """<html><head><meta property="og:title" content="Social Faust">
<meta name=Description content=" A  play ">
<script type="application/ld+json; charset=utf-8">{"@graph": [{"@type": "Organization", "name": "Quay"},
{"@type": "Product", "name": "Faust", "offers": [{"price": "1.50"}, {"price": 2}], "brand": null}]}</script>
<script id=state>{"a": {"b": [1, 2, {"c": true}]}}</script></head>
<body><h1>Faust</h1><p class=tags>One, two ,, THREE</p>
<div class=seller><b>Ann</b><i>3</i></div><div class=seller><b>Bob</b></div>
<ul><li data-x=1>a</li>
<li>b<script type="application/ld+json">{"@type": "Thing", "name": "inner"}</script></li></ul>
"""


def scrape(body: str, content_type: str = "text/html", **recipe: Any) -> Extracted:  # noqa: ANN401 - JSON
    """Return the result of applying a recipe to a page."""
    page = SavedPage(URL, content_type, body.encode())
    return extract(Recipe.from_document({"name": "r", **recipe}, CHECKS), page)


def value(field: object, body: str = PAGE, content_type: str = "text/html") -> object:
    """Return the value of one field."""
    return scrape(body, content_type, fields={"f": field}).items[0]["f"]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({"meta": "og:title"}, "Social Faust"),
        ({"meta": "OG:Title"}, "Social Faust"),
        ({"meta": "description"}, "A play"),
        ({"meta": "og:image"}, None),
        ({"jsonld": "Product.name"}, "Faust"),
        ({"jsonld": "Product.offers.price", "type": "number"}, 1.5),
        ({"jsonld": "Product.offers.price", "type": "number", "many": True}, [1.5, 2]),
        ({"jsonld": "Product.brand.name"}, None),
        ({"jsonld": "Product.offers", "many": True}, ['{"price":"1.50"}', '{"price":2}']),
        ({"jsonld": "Thing.name"}, "inner"),
        ({"css": "#state", "jmespath": "a.b[2].c", "type": "boolean"}, True),
        ({"css": "#state::text", "jmespath": "a.b[0]", "type": "integer"}, 1),
        ({"xpath": "//script[@id='state']", "jmespath": "a.b[:2]", "many": True, "type": "number"}, [1, 2]),
        ({"css": "#state", "jmespath": "a.b[0]", "re": r"\d"}, "1"),
        ({"css": "h1", "jmespath": "a"}, None),
        ({"jmespath": "a"}, None),
        # Alternative sources: the value is that of the first source that has one.
        ({"sources": [{"css": ".none"}, {"meta": "og:title"}, {"css": "h1"}]}, "Social Faust"),
        ({"sources": [{"css": "h1"}, {"meta": "og:title"}]}, "Faust"),
        ({"sources": [{"css": "h1"}, {"css": "i"}], "type": "integer"}, 3),
        ({"sources": [{"css": "h1", "re": "x"}, {"css": "h1", "re": "F(.)"}]}, "a"),
        ({"sources": [{"css": ".none"}], "many": True}, []),
        # Transforms are applied in order; white space is kept until a transform removes it.
        ({"css": ".tags", "transforms": [{"split": ","}, "strip", "lower"], "many": True},
         ["one", "two", "three"]),
        ({"css": ".tags", "transforms": [{"split": ","}]}, "One"),
        ({"css": "li", "transforms": [{"join": "+"}, "upper"], "re": "^."}, "A+B"),
        ({"css": "h1", "transforms": [{"replace": {"F": "f", "st": "ST"}}]}, "fauST"),
        ({"meta": "description", "transforms": []}, "A play"),
        ({"meta": "description", "transforms": ["strip"]}, "A  play"),
        ({"meta": "description", "transforms": ["normalise_space"]}, "A play"),
        ({"jsonld": "Product.offers.price", "transforms": [{"join": "-"}]}, "1.50-2"),
        ({"css": ".none", "transforms": [{"join": "-"}]}, None),
        # Objects
        ({"fields": {"t": {"css": "h1"}, "n": {"css": ".none"}}}, {"t": "Faust", "n": None}),
        ({"css": ".seller", "fields": {"n": {"css": "b"}}}, {"n": "Ann"}),
        ({"css": ".none", "fields": {"n": {"css": "b"}}}, None),
        ({"css": ".none", "fields": {"n": {"css": "b"}}, "default": {}}, {}),
        ({"items": ".seller", "fields": {"n": {"css": "b"}, "i": {"css": "i", "type": "integer"}}},
         [{"n": "Ann", "i": 3}, {"n": "Bob", "i": None}]),
        ({"items": ".none", "fields": {"n": {"css": "b"}}}, []),
        ({"jsonld": "Product", "fields": {"n": {"jmespath": "name"},
                                          "p": {"jmespath": "offers[].price", "many": True}}},
         {"n": "Faust", "p": ["1.50", "2"]}),
        ({"items": {"css": "#state", "jmespath": "a.b"},
          "fields": {"x": {"jmespath": "c"}, "m": {"meta": "og:title"}}},
         [{"x": None, "m": "Social Faust"}] * 2 + [{"x": "true", "m": "Social Faust"}]),
    ],
)  # fmt: skip
def test_source_has_documented_value(field: dict[str, Any], expected: object) -> None:
    """The value of each kind of source, transform and object is the documented one."""
    assert value(field) == expected


def test_jsonld_is_searched_inside_its_item() -> None:
    """For an item, JSON-LD is searched only inside the item, but metas are searched in the whole page."""
    found = scrape(PAGE, items="li", fields={"n": {"jsonld": "Thing.name"}, "m": {"meta": "og:title"}})
    assert found.items == [{"n": None, "m": "Social Faust"}, {"n": "inner", "m": "Social Faust"}]


API = {"next": "/p2", "rows": [{"n": 1, "s": " a  b "}, {"n": None, "s": ""}, {"n": "x", "o": {"k": [1]}}]}


def test_json_page_gives_items_by_jmespath() -> None:
    """On a JSON page, null gives no value, numbers remain numbers, and an object becomes JSON text."""
    found = scrape(
        json.dumps(API),
        "application/vnd.api+json",
        items={"jmespath": "rows"},
        next={"jmespath": "next"},
        fields={
            "n": {"jmespath": "n", "type": "integer"},
            "s": {"jmespath": "s"},
            "o": {"jmespath": "o"},
            "c": {"css": "p"},
        },
    )
    assert found.items == [
        {"n": 1, "s": "a b", "o": None, "c": None},
        {"n": None, "s": None, "o": None, "c": None},
        {"n": None, "s": None, "o": '{"k":[1]}', "c": None},
    ]
    assert found.warnings == [
        "n: 'x' contains no number",
        "o: null in 2 of 3, because nothing matches o",
        "c: null in 3 of 3, because nothing matches p",
        "n: null in 1 of 3, because nothing matches n",
        "s: null in 2 of 3, because nothing matches s",
    ]
    assert found.next_url == "https://shop.example/p2"


@pytest.mark.parametrize(
    "body", ["", "{", "not json", "[" * 100_000, '{"a": NaN}', '{"n": ' + "9" * 5000 + "}"]
)
def test_page_that_is_not_json_has_missing_field(body: str) -> None:
    """On a page that is not valid JSON, `jmespath` finds nothing, so a required field is missing."""
    assert value({"jmespath": "a"}, body, "application/json") is None
    with pytest.raises(ExtractionError) as raised:
        value({"jmespath": "a", "required": True}, body, "application/json")
    assert raised.value.reason is Reason.MISSING_FIELD


@pytest.mark.parametrize(
    "expression", ["length(a)", "sort_by(a, &b)", 'max([`1`, `"a"`])', "avg(`[]`)", "a.b.c[0][]"]
)
def test_jmespath_function_with_wrong_argument_finds_nothing(expression: str) -> None:
    """If a JMESPath function does not accept the page's value, the field has its default."""
    assert value({"jmespath": expression, "default": 0}, '{"a": null}', "application/json") == 0


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        ' <!-- {"a": 1} -->',
        '//<![CDATA[\n{"a": 1}\n//]]>',
        '/*<![CDATA[*/{"a": 1}/*]]>*/',
        'window.__STATE__ = {"a": 1}; start()',
        'var state={"a": 1},other=2',
        'window["x"] = {"a": 1}',
        '\ufeff{"a": 1};',
    ],
)
def test_script_with_json_is_parsed(text: str) -> None:
    """JSON is found in a script that assigns it to a variable or wraps it in a comment or CDATA."""
    assert parse_script(text) == {"a": 1}


@pytest.mark.parametrize("text", ["", "f()", "var a = b", "{a: 1}", "x" * 100_000 + "{", "window." * 10_000])
def test_script_without_json_is_invalid_json(text: str) -> None:
    """A script that does not begin with JSON or an assignment of JSON raises InvalidJson."""
    with pytest.raises(InvalidJson):
        parse_script(text)


def test_error_for_missing_field_inside_object_has_its_path() -> None:
    """The detail of the error contains the path of the missing field and its selectors."""
    for field, detail in [
        (
            {"items": ".none", "required": True, "fields": {"n": {"css": "b"}}},
            "f: nothing on the page matches .none",
        ),
        (
            {"items": ".seller", "fields": {"i": {"css": "i", "required": True}}},
            "f.i: nothing on the page matches i",
        ),
        (
            {"sources": [{"css": "x"}, {"meta": "y"}], "required": True},
            "f: nothing on the page matches x, nor meta y",
        ),
    ]:
        with pytest.raises(ExtractionError) as raised:
            value(field)
        assert raised.value.detail == detail


def test_xml_keeps_case_and_accepts_stray_ampersands() -> None:
    """In XML, selectors are case-sensitive, and stray ampersands and HTML's entities are accepted."""
    body = "<r><pubDate>1</pubDate><l>?a=1&b=2&nbsp;&lt;</l><![CDATA[a&b]]></r>"
    field = {"css": "pubDate", "type": "integer"}
    found = scrape(
        body, "text/xml", markup="xml", fields={"d": field, "l": {"css": "l"}, "lower": {"css": "pubdate"}}
    )
    assert found.items == [{"d": 1, "l": "?a=1&b=2\u00a0<".replace("\u00a0", " "), "lower": None}]
    assert (
        escape_stray_ampersands("<a>&b <![CDATA[&c]]>&#38;&amp;&copy;&d;</a>")
        == "<a>&amp;b <![CDATA[&c]]>&#38;&amp;©&amp;d;</a>"
    )


@pytest.mark.parametrize(
    "body",
    [
        "<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><r><a>&x;</a></r>",
        "<!DOCTYPE r [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;'>]><r><a>&b;</a></r>",
        "<!DOCTYPE r SYSTEM 'http://127.0.0.1:1/x.dtd'><r><a>&x;</a></r>",
    ],
)
def test_xml_entities_are_not_resolved(body: str) -> None:
    """Entities of XML are not resolved: no file is read, no URL is fetched, and no text is repeated."""
    text = str(scrape(body, "text/xml", markup="xml", fields={"a": {"css": "a"}}).items[0]["a"])
    assert "root:" not in text
    assert "aaaa" not in text


def test_explain_has_a_reason_for_each_missing_value() -> None:
    """Each finding without a value has the reason and the text that was selected."""
    recipe = Recipe.from_document(
        {
            "name": "r",
            "fields": {
                "a": {"css": ".none"},
                "b": {"css": "h1", "re": "x"},
                "c": {"jmespath": "a"},
                "d": {"css": "h1", "type": "number"},
                "e": {"css": "h1", "transforms": [{"replace": {"Faust": " "}}]},
                "f": {"sources": [{"meta": "no"}, {"css": "h1"}]},
                "g": {"css": "h1", "required": True, "re": "y"},
                "never": {"css": "h1"},
            },
        },
        CHECKS,
    )
    explained = explain(recipe, SavedPage(URL, "text/html", PAGE.encode()))
    assert [(finding.path, finding.source, finding.raw, finding.why) for finding in explained.findings] == [
        ("a", ".none", "", "nothing matches"),
        ("b", "h1", "Faust", "the selected text does not match re x"),
        ("c", "a", "", "the page is not JSON"),
        ("d", "h1", "Faust", "'Faust' contains no number"),
        ("e", "h1", "Faust", "the selected text is empty after the transforms"),
        ("f", "meta no", "", "nothing matches"),
        ("f", "h1", "Faust", ""),
        ("g", "h1", "Faust", "the selected text does not match re y"),
    ]
    assert explained.error is not None
    assert explained.error.reason is Reason.MISSING_FIELD
