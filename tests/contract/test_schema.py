"""Checks that the published JSON Schemas are up to date and describe every field."""

import json
from typing import Any

import pytest

from contract.crawl import Crawl
from contract.recipe import Recipe
from contract.schema import crawl_schema, recipe_schema
from tests.repository.tree import ROOT

DOCS = ROOT / "docs"


@pytest.mark.parametrize(("name", "schema"), [("recipe", recipe_schema()), ("crawl", crawl_schema())])
def test_published_schema_is_up_to_date(name: str, schema: dict[str, Any]) -> None:
    """The file in docs/ is the output of `scrapeq recipe schema` (or `scrapeq recipe schema crawl`)."""
    published = json.loads((DOCS / f"{name}.schema.json").read_text(encoding="utf-8"))
    assert published == schema


@pytest.mark.parametrize("schema", [recipe_schema(), crawl_schema()], ids=["recipe", "crawl"])
def test_schema_describes_every_object_and_field(schema: dict[str, Any]) -> None:
    """Every object of the schema rejects unknown fields, and every object and field has a description."""
    parts = [schema, *schema["$defs"].values()]
    for part in (part for part in parts if "properties" in part):
        assert part["additionalProperties"] is False
        assert part["description"]
        undescribed = {name for name, field in part["properties"].items() if not field.get("description")}
        # If a field's default is a model, pydantic writes only that model's description, not the field's.
        assert undescribed <= {"limits", "politeness", "request"}


def test_schema_has_all_fields_of_the_model() -> None:
    """The schemas of a recipe and a crawl contain all fields of their classes."""
    assert recipe_schema()["properties"].keys() == Recipe.model_fields.keys()
    assert crawl_schema()["properties"].keys() == Crawl.model_fields.keys()
