"""Tests that JSON-LD is found through references and small faults, and that broken blocks are reported."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.outcome import Reason
from contract.recipe import Recipe
from extraction import jsonld, selection
from extraction.errors import ExtractionError
from extraction.extract import Extracted, extract
from extraction.json_text import parse_values
from extraction.page import SavedPage
from tests.extraction.many_examples import many_examples

URL = "https://shop.example/books/1"


def scrape(*blocks: object, items: str | None = None, **field: Any) -> Extracted:  # noqa: ANN401 - JSON
    """Return the result of one field on a page with these JSON-LD blocks: texts, or values."""
    texts = [block if isinstance(block, str) else json.dumps(block) for block in blocks]
    body = "".join(f'<div><script type="application/ld+json">{text}</script></div>' for text in texts)
    recipe = Recipe.model_validate({"name": "r", "items": items, "fields": {"f": field}})
    return extract(recipe, SavedPage(URL, "text/html", body.encode()))


def value(*blocks: object, **field: Any) -> object:  # noqa: ANN401 - JSON
    """Return the value of one field."""
    return scrape(*blocks, **field).items[0]["f"]


ANN = {"@type": "Person", "@id": "#/person/1", "name": "Ann"}


@pytest.mark.parametrize(
    ("blocks", "field", "expected"),
    [
        # The node of a reference stands after it, before it, in another block, or inside another object.
        ([{"@graph": [{"@type": "Article", "author": {"@id": "#/person/1"}}, ANN]}], {}, "Ann"),
        ([{"@graph": [ANN, {"@type": "Article", "author": {"@id": "#/person/1"}}]}], {}, "Ann"),
        ([{"@type": "Article", "author": [{"@id": f"{URL}#/person/1"}]}, ANN], {}, "Ann"),
        ([{"@type": "Article", "author": {"@id": "#/person/1"}}, {"x": {"y": [ANN]}}], {}, "Ann"),
        ([{"@type": "Article", "author": {"@id": "#/person/1", "@type": "Person"}}, ANN], {}, "Ann"),
        # A reference to a reference, to nothing, and to itself
        ([{"@type": "Article", "author": {"@id": "#a"}}, {"@id": "#a", "name": {"@id": "#b"}},
          {"@id": "#b", "@type": "X"}], {"jsonld": "Article.author.name.@type"}, "X"),
        ([{"@type": "Article", "author": {"@id": "#nobody"}}, ANN], {}, None),
        ([{"@type": "Article", "@id": "#a", "author": {"@id": "#a"}}], {}, None),
        # Objects with the same id are one node: its properties are collected, and it is found once.
        ([{"@type": "Article", "@id": "#a"}, {"@id": "#a", "author": ANN}], {}, "Ann"),
        ([{"@type": "Person", "@id": "#a", "name": "A"}, {"@type": "Person", "@id": "#a", "name": "A"}],
         {"jsonld": "Person.name", "many": True}, ["A"]),
        ([{"@type": "Person", "@id": "#a", "name": "A"}, {"@type": "Person", "@id": "#a", "name": "B"}],
         {"jsonld": "Person.name", "many": True}, ["A", "B"]),
        ([{"@type": "Person", "name": "A"}, {"@type": "Person", "name": "A"}],
         {"jsonld": "Person.name", "many": True}, ["A", "A"]),
        # The name of a blank node is valid only in its block.
        ([{"@type": "Article", "author": {"@id": "_:b0"}}, {"@id": "_:b0", "name": "Bob"}], {}, None),
        ([[{"@type": "Article", "author": {"@id": "_:b0"}}, {"@id": "_:b0", "name": "Bob"}]], {}, "Bob"),
        # The whole node is the value, if the path ends at a reference.
        ([{"@type": "Article", "author": {"@id": "#/person/1"}}, ANN],
         {"jsonld": "Article.author", "fields": {"n": {"jmespath": "name"}}}, {"n": "Ann"}),
        ([{"@type": "Article", "author": {"@list": [{"@value": "A"}]}}], {"jsonld": "Article.author"}, "A"),
    ],
)  # fmt: skip
def test_reference_has_the_properties_of_its_node(
    blocks: list[object], field: dict[str, Any], expected: object
) -> None:
    """A reference by `@id` is followed to its node, wherever on the page the node is."""
    assert value(*blocks, **({"jsonld": "Article.author.name"} | field)) == expected


def test_reference_in_an_item_is_followed_to_the_whole_page() -> None:
    """In an item, only the item's blocks are searched, but a reference is followed outside of it."""
    found = scrape({"@type": "Article", "author": {"@id": "#/person/1"}}, ANN, items="div",
                   jsonld="Article.author.name")  # fmt: skip
    assert found.items == [{"f": "Ann"}, {"f": None}]


@pytest.mark.parametrize(
    "text",
    [
        '{"@type": "P", "name": "Faust",}',
        '{"@type": ["P", ], "name": "Faust" , /* the end */ }',
        '// product\n{"@type": "P", "name": "Faust"}',
        '{"@type": "P", // product, "name": "x"\n "name": "Faust"}',
        '{"@type": "BreadcrumbList"}\n{"@type": "P", "name": "Faust"}',
        '{"@type": "BreadcrumbList"},\n{"@type": "P", "name": "Faust"};',
        '<!-- {"@type": "X",} {"@type": "P", "name": "Faust"} -->',
        '//<![CDATA[\n{"@type": "P", "name": "Faust",}\n//]]>',
        '/*<![CDATA[*/ {"@type": "P", "name": "Faust",} /*]]>*/',
        '\ufeff\n{"@type": "P", "name": "Faust"} ; ',
    ],
)
def test_small_faults_of_json_ld_are_accepted(text: str) -> None:
    """Trailing commas, comments, and several values in one script are read without a warning."""
    found = scrape(text, jsonld="P.name", required=True)
    assert (found.items, found.warnings) == ([{"f": "Faust"}], [])


def test_strings_with_comments_and_commas_are_unchanged() -> None:
    """Only comments and commas outside strings are removed."""
    assert parse_values('{"u": "https://a/b", "t": "/* x */,]", "e": "\\\\",}') == (
        [{"u": "https://a/b", "t": "/* x */,]", "e": "\\"}],
        "",
    )


BROKEN = '{"@type": "P", "name": "Faust", "note": "12" inch"}'


def test_broken_block_is_reported_in_the_warnings() -> None:
    """A block that is not JSON is named in a warning with the reason, even if another block has the value."""
    found = scrape(BROKEN, {"@type": "P", "name": "Medea"}, jsonld="P.name")
    assert found.items == [{"f": "Medea"}]
    [warning] = found.warnings
    assert warning.startswith("JSON-LD block 1 of the page is not JSON: Expecting ',' delimiter: line 1")
    # What stands before the fault is read.
    found = scrape('{"@type": "P", "name": "Faust"} {{ template }}', jsonld="P.name")
    assert found.items == [{"f": "Faust"}]
    assert len(found.warnings) == 1
    assert scrape('/* {"@type": "P"}', jsonld="P.name", default="").warnings == [
        "JSON-LD block 1 of the page is not JSON: it has only comments"
    ]
    # A recipe that does not use JSON-LD is not warned.
    assert scrape(BROKEN, css="div", default="x").warnings == []


def test_broken_block_is_named_if_a_required_field_is_missing() -> None:
    """The detail of `missing_field` contains the reason why a block could not be read."""
    with pytest.raises(ExtractionError) as raised:
        scrape(BROKEN, jsonld="P.name", required=True)
    assert raised.value.reason is Reason.MISSING_FIELD
    assert raised.value.detail.startswith(
        "f: nothing on the page matches jsonld P.name; JSON-LD block 1 of the page is not JSON: Expecting"
    )


def test_null_field_is_reported_once_with_its_number() -> None:
    """Optional fields that are null are reported, each once; those with a default or `many` are not."""
    recipe = Recipe.model_validate(
        {
            "name": "r",
            "items": "p",
            "fields": {
                "a": {"css": "b"},
                "d": {"css": "i", "default": "x"},
                "m": {"css": "i", "many": True},
                "o": {"fields": {"s": {"sources": [{"css": "i"}, {"meta": "og:x"}]}}},
            },
        }
    )
    found = extract(recipe, SavedPage(URL, "text/html", b"<p><b>1</b></p><p></p><p><b>3</b></p>"))
    assert found.warnings == [
        "o.s: null in 3 of 3, because nothing matches i, nor meta og:x",
        "a: null in 1 of 3, because nothing matches b",
    ]


@pytest.mark.parametrize("error", [ValueError, RecursionError, TypeError])
def test_error_of_ours_is_not_blamed_on_the_recipe(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected exception is raised as it is, so that the worker reports `internal_error`."""

    def fail(*_: object) -> str:
        raise error("a bug")

    monkeypatch.setattr(selection, "rendered_text", lambda *_, **__: fail())
    recipe = Recipe.model_validate({"name": "r", "fields": {"f": {"css": "p"}}})
    with pytest.raises(error, match="a bug"):
        extract(recipe, SavedPage(URL, "text/html", b"<p>x</p>"))


def test_broken_link_to_the_next_page_is_returned_as_it_is() -> None:
    """A `next` link that is no URL is not blamed on the recipe: whoever follows the link reports it."""
    recipe = Recipe.model_validate({"name": "r", "fields": {"f": {"css": "p"}}, "next": "a"})
    page = SavedPage(URL, "text/html", b"<p>x</p><a href='http://[broken'>next</a>")
    assert extract(recipe, page).next_url == "http://[broken"


def test_comment_has_its_text() -> None:
    """A comment that an XPath expression selects is a text."""
    recipe = Recipe.model_validate({"name": "r", "fields": {"f": {"xpath": "//comment()"}}})
    assert extract(recipe, SavedPage(URL, "text/html", b"<p>x<!-- y --></p>")).items == [{"f": "y"}]


def test_references_of_a_hostile_page_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page whose references multiply is rejected after a maximum of steps."""
    monkeypatch.setattr(jsonld, "MAX_STEPS", 10_000)
    nodes = [{"@id": "#a", "x": {"@id": "#a", "n": number}} for number in range(1000)]
    with pytest.raises(ExtractionError, match="too_large"):
        scrape({"@type": "T", "@graph": nodes, "@id": "#a"}, jsonld="T.x.x.x", many=True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["#a", "#b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["@id", "@type", "a", "b", "@value", "@list"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@many_examples
@given(
    blocks=st.lists(json_values, min_size=1, max_size=3), path=st.sampled_from(["T", "T.a", "T.a.b", "T.@id"])
)
def test_any_json_ld_gives_values(blocks: list[object], path: str) -> None:
    """Any JSON, with any references, gives values without an exception."""
    assert isinstance(
        value(*blocks, {"@type": "T", "@id": "#a", "a": {"@id": "#b"}}, jsonld=path, many=True), list
    )
