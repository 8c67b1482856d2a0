"""Selectors that are accepted are selectors that work."""

import pytest
from hypothesis import given
from lxml import etree

from contract.recipe import RecipeField
from extraction.selectors import compile_xpath, css_to_xpath, xpath_of
from tests.contract.documents import recipe_fields


@given(field=recipe_fields())
def test_every_field_has_one_xpath_that_compiles(field: RecipeField) -> None:
    """Extraction evaluates XPath only, whatever the field's selector is."""
    compile_xpath(str(xpath_of(field)))


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
def test_css_selector_is_translated_to_xpath(css: str, found: list[str | None]) -> None:
    """The pseudo-elements of parsel, `::text` and `::attr()`, work beside plain CSS."""
    page = etree.HTML('<h1>Faust</h1><a href="/1">more</a><p class="price">£51.77</p>', None)
    nodes = page.xpath(css_to_xpath(css))
    assert [str(node) if isinstance(node, str) else None for node in nodes] == found


@pytest.mark.parametrize("expression", ["//a", "string(//a)", "count(//a) > 1", "//a/@href", "'text'"])
def test_xpath_of_any_type_compiles(expression: str) -> None:
    """XPath 1.0 has node sets, strings, numbers and booleans."""
    assert compile_xpath(expression) is not None
