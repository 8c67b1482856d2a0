"""The JSON Schema of crawls and recipes, for editors: names, types, meanings. It refuses nothing we take.

What a selector must be is not in it: `scrapeq recipe check` says that.
"""

import inspect
import re
from typing import Any

from pydantic import BaseModel

from contract.crawl import Crawl, Limits, UrlSources
from contract.fields import Source, Transform
from contract.job import Politeness
from contract.recipe import Recipe, RecipeField

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MODELS: tuple[type[BaseModel], ...] = (
    Crawl,
    UrlSources,
    Limits,
    Politeness,
    Recipe,
    RecipeField,
    Source,
    Transform,
)
_ATTRIBUTES = re.compile(r"^Attributes:\n(.*)", re.MULTILINE | re.DOTALL)
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


def recipe_schema() -> dict[str, Any]:
    """Return the schema of a recipe's file."""
    return _schema(Recipe, "A Scrapeq recipe")


def crawl_schema() -> dict[str, Any]:
    """Return the schema of a crawl's file."""
    return _schema(Crawl, "A Scrapeq crawl")


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    schema = model.model_json_schema()
    parts = {model.__name__: schema, **schema.get("$defs", {})}
    for each in _MODELS:
        if each.__name__ in parts:
            _describe(parts[each.__name__], each)
    return {"$schema": _DIALECT, **schema, "title": title}


def _describe(part: dict[str, Any], model: type[BaseModel]) -> None:
    """Say in a schema what the model's docstring says, and that there are no other fields."""
    documented = inspect.getdoc(model) or ""
    part["description"] = documented.split("\n\n", maxsplit=1)[0]
    part["additionalProperties"] = False
    said = {**_attributes(inspect.getdoc(Source) or ""), **_attributes(documented)}
    for name, field in part["properties"].items():
        field.pop("title", None)
        if name in said and "$ref" not in field:
            field["description"] = said[name]


def _attributes(documented: str) -> dict[str, str]:
    found = _ATTRIBUTES.search(documented)
    return {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(found[1])} if found else {}
