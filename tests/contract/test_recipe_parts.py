"""What a recipe is made of: each fault has its path and a sentence; an old recipe is the same job."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.faults import UnreadableRecipe
from contract.job import identify
from contract.recipe import MAX_FIELDS, MAX_NESTING, Recipe
from extraction.selectors import CHECKS
from tests.contract.documents import odd_json_values

T = "fields.t"


def faults(recipe: dict[str, Any]) -> list[tuple[str, str]]:
    """Return path and sentence of everything wrong with a recipe."""
    with pytest.raises(UnreadableRecipe) as caught:
        Recipe.from_document({"name": "r", "fields": {"t": {"css": "a"}}} | recipe, CHECKS)
    return [(fault.path, fault.message) for fault in caught.value.faults]


def nested(levels: int) -> dict[str, Any]:
    """Return a field with fields inside of each other."""
    field: dict[str, Any] = {"css": "a"}
    for _ in range(levels):
        field = {"fields": {"t": field}}
    return field


ONE_PLACE = "exactly one of css, xpath, jmespath, jsonld, meta and sources is needed"
OBJECT = {"fields": {"a": {"css": "a"}}}


@pytest.mark.parametrize(
    ("field", "where", "sentence"),
    [
        ({"jsonld": "Product.name", "meta": "og:title"}, T, ONE_PLACE),
        ({"css": "a", "xpath": "//a", "jmespath": "b"}, T, ONE_PLACE),
        ({"css": "a", "sources": [{"css": "b"}]}, T, ONE_PLACE),
        ({"re": "a"}, T, ONE_PLACE),
        ({"sources": [{"css": "b"}], "re": "x"}, T, "with sources, each source has its own re"),
        (
            {"sources": [{"css": "b"}, {}]},
            f"{T}.sources.1",
            "exactly one of css, xpath, jmespath, jsonld and",
        ),
        ({"sources": [{"css": "["}]}, f"{T}.sources.0.css", "not a CSS selector"),
        ({"sources": [{"css": "b"}] * 11}, f"{T}.sources", "at most 10 items"),
        ({"jmespath": "a["}, f"{T}.jmespath", "not a JMESPath expression"),
        ({"jmespath": "shout(a)"}, f"{T}.jmespath", "there is no function shout()"),
        ({"jmespath": "[@,@,@,@,@][] | [@,@,@,@]"}, f"{T}.jmespath", "make 20 copies; at most 16"),
        ({"jsonld": "offers.price."}, f"{T}.jsonld", "not a path into JSON-LD"),
        ({"meta": ""}, f"{T}.meta", "at least 1 character"),
        ({"css": "a", "transforms": ["shout"]}, f"{T}.transforms.0", "Input should be 'strip'"),
        ({"css": "a", "transforms": [{"split": ","}, {}]}, f"{T}.transforms.1", "exactly one of split, join"),
        ({"css": "a", "transforms": [{"split": ""}]}, f"{T}.transforms.0.split", "at least 1 character"),
        ({"css": "a", "transforms": [{"splt": ","}]}, f"{T}.transforms.0.splt", "there is no such field"),
        ({"css": "a", "transforms": "strip"}, f"{T}.transforms", "Input should be a valid tuple"),
        ({"css": "a", "locale": "xx"}, f"{T}.locale", "Input should be 'en'"),
        ({"css": "a", "decimal": ","}, T, "decimal is for numbers"),
        ({"css": "a", "format": "%d.%m.%Y"}, T, "format is for dates"),
        ({"css": "a", "type": "date", "format": "%d.%m"}, f"{T}.format", "year, month and day are needed"),
        ({"css": "a", "type": "date", "format": "%Q%d%m%Y"}, f"{T}.format", "there is no %Q"),
        ({"css": "a", "type": "date", "format": "%d%d%m%Y"}, f"{T}.format", "a directive occurs twice"),
        ({"css": "a", "items": "li"}, T, "items needs fields"),
        (OBJECT | {"type": "number", "many": True}, T, "an object: it has no type and no many"),
        (OBJECT | {"css": "a", "items": "li"}, T, "an object has one of css"),
        (OBJECT | {"css": "a", "xpath": "//a"}, T, "an object has one of css"),
        (OBJECT | {"meta": "og:title"}, T, "meta gives texts"),
        (OBJECT | {"items": "["}, f"{T}.items", "not a CSS selector"),
        (OBJECT | {"items": {"css": "["}}, f"{T}.items.css", "not a CSS selector"),
        ({"fields": {"a": {"cs": "a"}}}, f"{T}.fields.a.cs", "there is no such field"),
        ({"css": "a", "required": True, "default": 1}, T, "required and default exclude each other"),
    ],
)
def test_each_fault_of_a_field_has_its_path_and_a_sentence(
    field: dict[str, Any], where: str, sentence: str
) -> None:
    """Whoever writes a recipe is told where it is wrong, and what would be right."""
    found = dict(faults({"fields": {"t": field}}))
    assert sentence in found[where]


@pytest.mark.parametrize(
    ("recipe", "where", "sentence"),
    [
        ({"items": {"meta": "a"}}, "", "items selects nodes"),
        ({"items": {"css": "a", "re": "b"}}, "", "items selects nodes"),
        ({"max_pages": 3}, "", "max_pages needs next"),
        ({"next": "a", "max_pages": 51}, "max_pages", "less than or equal to 50"),
        ({"next": "["}, "next", "not a CSS selector"),
        ({"markup": "sgml"}, "markup", "Input should be 'html' or 'xml'"),
        ({"fields": {"t": nested(MAX_NESTING)}}, "", f"nested {MAX_NESTING + 1} deep; at most {MAX_NESTING}"),
        (
            {"fields": {f"f{n}": {"fields": {"a": {"css": "a"}}} for n in range(MAX_FIELDS // 2 + 1)}},
            "",
            "102 fields in all; at most 100",
        ),
        ({"title": {"css": "a"}}, "title", "there is no such field"),
    ],
)
def test_each_fault_of_a_recipe_has_its_path_and_a_sentence(
    recipe: dict[str, Any], where: str, sentence: str
) -> None:
    """Bounds are told with their numbers."""
    [(path, why)] = faults(recipe)
    assert path == where
    assert sentence in why


OLD = {
    "name": "book",
    "items": "li.book",
    "fields": {
        "title": {"css": "h1::text", "required": True},
        "price": {"xpath": "//b", "type": "number", "re": r"£([\d.]+)", "default": 0},
        "links": {"css": "a::attr(href)", "type": "url", "many": True},
    },
}


def test_a_recipe_of_the_first_version_is_the_same_job() -> None:
    """What a recipe may say since then has defaults, and defaults do not travel: no page is scraped twice."""
    recipe = Recipe.model_validate(OLD)
    assert recipe.to_json_dict() == OLD
    assert identify("r", "https://books.example/1", recipe) == "d88cca333dfb234e570bff3ec68ed73f"


def test_what_a_recipe_says_travels() -> None:
    """Every part of a recipe is the same after a job has carried it."""
    document = {
        "name": "r",
        "markup": "xml",
        "items": {"jmespath": "a"},
        "next": {"xpath": "//a"},
        "max_pages": 3,
        "fields": {
            "a": {
                "sources": [{"css": "b", "re": "x"}, {"jsonld": "A.b"}],
                "transforms": ["strip", {"split": ","}],
            },
            "b": {"items": "li", "fields": {"c": {"meta": "d", "type": "date", "format": "%d.%m.%Y"}}},
            "c": {"css": "a", "jmespath": "b", "type": "number", "decimal": ",", "locale": "de"},
        },
    }
    recipe = Recipe.from_document(document, CHECKS)
    assert recipe.to_json_dict() == document
    assert Recipe.model_validate(recipe.to_json_dict()) == recipe


@given(document=st.dictionaries(st.sampled_from(["name", "fields", "items", "next"]), odd_json_values))
def test_any_document_is_a_recipe_or_has_faults(document: dict[str, Any]) -> None:
    """Nothing that JSON can spell raises anything but the complaint."""
    with pytest.raises(UnreadableRecipe) as caught:
        Recipe.from_document(document, CHECKS)
    assert caught.value.faults


@given(
    field=st.dictionaries(
        st.sampled_from(
            ["css", "xpath", "jmespath", "jsonld", "meta", "re", "transforms", "format", "fields"]
        ),
        st.text(max_size=12) | odd_json_values,
    )
)
def test_any_field_is_a_field_or_has_faults(field: dict[str, Any]) -> None:
    """Selectors in six languages come from outside: no parser of theirs raises what is its own."""
    try:
        Recipe.from_document({"name": "r", "fields": {"f": field}}, CHECKS)
    except UnreadableRecipe as wrong:
        assert wrong.faults  # noqa: PT017 - it may also be a recipe
