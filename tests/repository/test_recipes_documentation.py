"""The example recipes in docs/reference/recipes.md give the items that the page shows."""

import json
import re
from typing import Any, NamedTuple

import pytest

from console.recipes.recipe_file import read_recipe
from contract.fields import FieldType, Locale, SimpleTransform, Transform
from contract.recipe import Recipe, RecipeField
from extraction.extract import extract
from extraction.page import SavedPage
from tests.repository.documented_commands import commands, misunderstood
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


def test_every_recipe_shown_is_an_example() -> None:
    """No recipe is shown without its page and its items."""
    assert len(EXAMPLES) == TEXT.count("```yaml\n") >= 10


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.recipe.splitlines()[0])
def test_an_example_gives_the_items_it_shows(example: Example) -> None:
    """A reader can copy the recipe."""
    recipe = read_recipe(example.recipe.encode(), "example.yaml")
    page = SavedPage("https://example.com/", example.content_type, example.page.encode())
    assert extract(recipe, page).items == example.items


def test_every_key_is_documented_and_used_in_an_example() -> None:
    """The page explains every key of a recipe, and its examples use them."""
    names = {*Recipe.model_fields, *RecipeField.model_fields, *Transform.model_fields}
    names |= {*map(str, FieldType), *map(str, SimpleTransform)}
    assert {name for name in names if not re.search(rf"`{{?{name}\b|`[\w`, ]*`{name}`", TEXT)} == set()
    used = "".join(example.recipe for example in EXAMPLES)
    unused = {name for name in names if not re.search(rf"\b{name}\b", used)}
    assert unused <= {"text", "html", "decimal", "normalise_space"}


def test_every_locale_is_listed() -> None:
    """The page lists every locale as a recipe spells it."""
    assert {locale for locale in Locale if f"`{locale}`" not in TEXT} == set()


def test_the_commands_shown_exist() -> None:
    """`scrapeq` accepts the commands and options that the page shows."""
    import typer  # noqa: PLC0415 - for this alone

    from console.cli.commands import app  # noqa: PLC0415 - half a second of imports

    shown = [words[1:] for words in commands(TEXT) if words[0] == "scrapeq"]
    assert len(shown) >= 4
    assert [misunderstood(typer.main.get_command(app), words) for words in shown] == [[]] * len(shown)
