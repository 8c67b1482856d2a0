"""Generates JSON Schemas of crawls and recipes, from which editors show each field's name, type and meaning.

Every valid document matches its schema, but some documents that match are invalid: for example, a JSON Schema
cannot check that selectors compile. `scrapeq recipe check` makes all checks.
"""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from contract.crawl import Crawl
from contract.recipe import Recipe

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _EditorSchema(GenerateJsonSchema):
    """Generates a schema that rejects unknown fields, as the decoders do, and has no titles of fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401 - pydantic gives no usable type
        del schema
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        return super().model_schema(schema) | {"additionalProperties": False}


def recipe_schema() -> dict[str, Any]:
    """Return the JSON Schema of a recipe file."""
    return _schema(Recipe, "A Scrapeq recipe")


def crawl_schema() -> dict[str, Any]:
    """Return the JSON Schema of a crawl file."""
    return _schema(Crawl, "A Scrapeq crawl")


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=_EditorSchema)
    return {"$schema": _DIALECT, **schema, "title": title}
