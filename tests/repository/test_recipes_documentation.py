"""Tests that each example recipe in docs/reference/recipes.md extracts exactly the items printed below it."""

import json
import re
from typing import Any, NamedTuple

import pytest

from console.recipes.recipe_file import read_recipe
from contract.fields import FieldType, Locale, SimpleTransform, Transform
from contract.recipe import Recipe, RecipeField
from extraction.extract import extract
from extraction.page import SavedPage
from tests.repository.documented_commands import commands, unknown_words
from tests.repository.tree import ROOT

TEXT = (ROOT / "docs" / "reference" / "recipes.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(
    r"^```(html|xml|json)\n(.*?)^```\n```yaml\n(.*?)^```\n```json\n(.*?)^```", re.MULTILINE | re.DOTALL
)
TYPES = {"html": "text/html", "xml": "application/rss+xml", "json": "application/json"}


class Example(NamedTuple):
    """A page, a recipe, and the items that the recipe finds on the page."""

    content_type: str
    page: str
    recipe: str
    items: Any


EXAMPLES = [
    Example(TYPES[kind], page, recipe, json.loads(items))
    for kind, page, recipe, items in EXAMPLE.findall(TEXT)
]


def test_every_yaml_block_has_a_page_and_its_items() -> None:
    """Each recipe in the documentation has a page above it and the extracted items below it."""
    assert len(EXAMPLES) == TEXT.count("```yaml\n") >= 10


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.recipe.splitlines()[0])
def test_example_recipe_extracts_the_documented_items(example: Example) -> None:
    """The recipe is valid and extracts exactly the documented items."""
    recipe = read_recipe(example.recipe.encode(), "example.yaml").recipe
    page = SavedPage("https://example.com/", example.content_type, example.page.encode())
    assert extract(recipe, page).items == example.items


def test_every_key_is_documented_and_used_in_an_example() -> None:
    """The documentation explains every key, type and transform of a recipe; its examples use nearly all."""
    names = {*Recipe.model_fields, *RecipeField.model_fields, *Transform.model_fields}
    names |= {*map(str, FieldType), *map(str, SimpleTransform)}
    assert {name for name in names if not re.search(rf"`{{?{name}\b|`[\w`, ]*`{name}`", TEXT)} == set()
    used = "".join(example.recipe for example in EXAMPLES)
    unused = {name for name in names if not re.search(rf"\b{name}\b", used)}
    assert unused <= {"text", "html", "decimal", "normalise_space"}


def test_every_locale_is_listed() -> None:
    """The documentation lists every value of the key `locale`."""
    assert {locale for locale in Locale if f"`{locale}`" not in TEXT} == set()


def test_the_documented_commands_exist() -> None:
    """`scrapeq` has each command and option in docs/reference/recipes.md."""
    import typer  # noqa: PLC0415 - imported here because no other test of this module needs it

    from console.cli.commands import app  # noqa: PLC0415 - imported here because the import takes half a second

    shown = [words[1:] for words in commands(TEXT) if words[0] == "scrapeq"]
    assert len(shown) >= 4
    assert [unknown_words(typer.main.get_command(app), words) for words in shown] == [[]] * len(shown)
