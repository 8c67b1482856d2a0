"""Recipes: selectors that are taken are selectors that work."""

import pytest
from hypothesis import given
from lxml import etree

from contract.recipe import Recipe, RecipeField
from contract.selectors import check_xpath, compile_xpath, css_to_xpath
from tests.contract.documents import recipe_fields, recipes


@given(field=recipe_fields())
def test_every_field_has_one_xpath_that_compiles(field: RecipeField) -> None:
    """Extraction runs XPath only, however the field was written."""
    compile_xpath(str(field.expression()))


@given(recipe=recipes)
def test_what_travels_is_the_same_recipe(recipe: Recipe) -> None:
    """The wire form leaves out defaults and nothing else."""
    assert Recipe.model_validate(recipe.wire()) == recipe


@pytest.mark.parametrize(
    ("css", "found"),
    [
        ("h1::text", ["Faust"]),
        ("a::attr(href)", ["/1"]),
        ("p.price, h1", [None, None]),
        ("p:contains('£')", [None]),
        ("p:not(.price)", []),
    ],
)
def test_a_css_selector_finds_what_its_xpath_finds(css: str, found: list[str | None]) -> None:
    """The pseudo-elements of parsel, `::text` and `::attr()`, work beside plain CSS."""
    page = etree.HTML('<h1>Faust</h1><a href="/1">more</a><p class="price">£51.77</p>', None)
    nodes = page.xpath(css_to_xpath(css))
    assert [str(node) if isinstance(node, str) else None for node in nodes] == found


@pytest.mark.parametrize("expression", ["//a", "string(//a)", "count(//a) > 1", "//a/@href", "'text'"])
def test_xpath_of_any_type_is_taken(expression: str) -> None:
    """XPath 1.0 has nodes, strings, numbers and booleans."""
    assert check_xpath(expression) == expression


@pytest.mark.parametrize("pattern", [r"\d+", r"£([\d.]+)", r"(?:a|b)c", r"(?P<price>\d+)", "(?i)isbn", "^$"])
def test_a_pattern_has_no_group_or_one(pattern: str) -> None:
    """The group is the value, or all that the pattern matches."""
    assert RecipeField(css="p", re=pattern).re == pattern
