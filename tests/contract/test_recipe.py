"""Tests of the faults in invalid recipes, and of the JSON form in which jobs contain a recipe."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.faults import UnreadableRecipe
from contract.job_id import identify
from contract.recipe import MAX_FIELDS, MAX_NESTING, Recipe
from extraction.selectors import CHECKS
from tests.contract.documents import recipes, unusual_json_values

T = "fields.t"


def faults(recipe: dict[str, Any]) -> list[tuple[str, str]]:
    """Return path and message of every fault of a recipe."""
    with pytest.raises(UnreadableRecipe) as caught:
        Recipe.from_document({"name": "r", "fields": {"t": {"css": "a"}}} | recipe, CHECKS)
    return [(fault.path, fault.message) for fault in caught.value.faults]


def nested(levels: int) -> dict[str, Any]:
    """Return a field with `levels` levels of fields inside it."""
    field: dict[str, Any] = {"css": "a"}
    for _ in range(levels):
        field = {"fields": {"t": field}}
    return field


ONE_SELECTOR = "exactly one of css, xpath, jmespath, jsonld, meta and sources is needed"
OBJECT = {"fields": {"a": {"css": "a"}}}


@pytest.mark.parametrize(
    ("field", "path", "message"),
    [
        ({"jsonld": "Product.name", "meta": "og:title"}, T, ONE_SELECTOR),
        ({"css": "a", "xpath": "//a", "jmespath": "b"}, T, ONE_SELECTOR),
        ({"css": "a", "sources": [{"css": "b"}]}, T, ONE_SELECTOR),
        ({"re": "a"}, T, ONE_SELECTOR),
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
        ({"jmespath": "[@,@,@,@,@][] | [@,@,@,@]"}, f"{T}.jmespath", "make 20 copies; the maximum is 16"),
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
        ({"css": "a", "type": "date", "format": "%Q%d%m%Y"}, f"{T}.format", "the directive %Q is unknown"),
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
def test_recipe_field_fault_has_path_and_message(field: dict[str, Any], path: str, message: str) -> None:
    """The error for an invalid field gives the path of the fault and a message."""
    found = dict(faults({"fields": {"t": field}}))
    assert message in found[path]


@pytest.mark.parametrize(
    ("recipe", "path", "message"),
    [
        ({"items": {"meta": "a"}}, "", "items selects nodes"),
        ({"items": {"css": "a", "re": "b"}}, "", "items selects nodes"),
        ({"max_pages": 3}, "", "max_pages needs next"),
        ({"next": "a", "max_pages": 1001}, "max_pages", "less than or equal to 1000"),
        ({"next": "["}, "next", "not a CSS selector"),
        ({"markup": "sgml"}, "markup", "Input should be 'html' or 'xml'"),
        (
            {"fields": {"t": nested(MAX_NESTING)}},
            "",
            f"{MAX_NESTING + 1} levels deep; the maximum is {MAX_NESTING}",
        ),
        (
            {"fields": {f"f{n}": {"fields": {"a": {"css": "a"}}} for n in range(MAX_FIELDS // 2 + 1)}},
            "",
            "the recipe has 102 fields; the maximum is 100",
        ),
        ({"title": {"css": "a"}}, "title", "there is no such field"),
    ],
)
def test_recipe_fault_has_path_and_message(recipe: dict[str, Any], path: str, message: str) -> None:
    """The error for an invalid recipe gives the path of the fault and a message."""
    [(found_path, found_message)] = faults(recipe)
    assert found_path == path
    assert message in found_message


RECIPE_OF_0_1 = {
    "name": "book",
    "items": "li.book",
    "fields": {
        "title": {"css": "h1::text", "required": True},
        "price": {"xpath": "//b", "type": "number", "re": r"£([\d.]+)", "default": 0},
        "links": {"css": "a::attr(href)", "type": "url", "many": True},
    },
}


def test_recipe_of_0_1_gives_the_same_job_id() -> None:
    """A recipe of version 0.1 has the same JSON and gives the same job id as in that version."""
    recipe = Recipe.model_validate(RECIPE_OF_0_1)
    assert recipe.to_json_dict() == RECIPE_OF_0_1
    assert identify("r", "https://books.example/1", recipe) == "d88cca333dfb234e570bff3ec68ed73f"


def test_every_part_of_a_recipe_survives_to_json_dict() -> None:
    """A recipe that uses every kind of key equals the recipe read from its JSON form."""
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


@given(recipe=recipes)
def test_recipe_survives_to_json_dict(recipe: Recipe) -> None:
    """Any recipe equals the recipe read from its JSON form."""
    assert Recipe.model_validate(recipe.to_json_dict()) == recipe


@given(document=st.dictionaries(st.sampled_from(["name", "fields", "items", "next"]), unusual_json_values))
def test_invalid_document_raises_only_unreadable_recipe(document: dict[str, Any]) -> None:
    """A random JSON document, which is not a recipe, raises UnreadableRecipe with at least one fault."""
    with pytest.raises(UnreadableRecipe) as caught:
        Recipe.from_document(document, CHECKS)
    assert caught.value.faults


@given(
    field=st.dictionaries(
        st.sampled_from(
            ["css", "xpath", "jmespath", "jsonld", "meta", "re", "transforms", "format", "fields"]
        ),
        st.text(max_size=12) | unusual_json_values,
    )
)
def test_any_field_is_valid_or_raises_unreadable_recipe(field: dict[str, Any]) -> None:
    """A random field is read or raises UnreadableRecipe; no parser of selectors raises another exception."""
    try:
        Recipe.from_document({"name": "r", "fields": {"f": field}}, CHECKS)
    except UnreadableRecipe as error:
        assert error.faults  # noqa: PT017 - no exception is expected if the recipe is valid
