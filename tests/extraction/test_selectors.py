"""Tests that selectors are translated to XPath expressions that compile."""

import pytest
from hypothesis import given
from lxml import etree

from contract.recipe import RecipeField
from extraction.selectors import CHECKS, JOB_CHECKS, compile_xpath, css_to_xpath, xpath_of
from tests.contract.documents import recipe_fields


@given(field=recipe_fields())
def test_every_field_has_one_xpath_that_compiles(field: RecipeField) -> None:
    """The css or xpath of every field is translated to an XPath expression that compiles."""
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
    """Standard CSS and parsel's pseudo-elements `::text` and `::attr()` select the expected nodes."""
    page = etree.HTML('<h1>Faust</h1><a href="/1">more</a><p class="price">£51.77</p>', None)
    nodes = page.xpath(css_to_xpath(css))
    assert [str(node) if isinstance(node, str) else None for node in nodes] == found


@pytest.mark.parametrize("expression", ["//a", "string(//a)", "count(//a) > 1", "//a/@href", "'text'"])
def test_xpath_of_any_type_compiles(expression: str) -> None:
    """Expressions of all result types of XPath 1.0 compile: node set, string, number and boolean."""
    assert compile_xpath(expression) is not None


@pytest.mark.parametrize("expression", ["re:match(//a, '.', 'g')", "//a[re:replace (., 'a', '', 'b')]"])
def test_xpath_with_a_removed_function_is_rejected_in_a_recipe_but_read_in_a_job(expression: str) -> None:
    """A new recipe may not call re:match or re:replace, but a queued job of version 0.1 can still be read."""
    with pytest.raises(ValueError, match=r"there is no function re:(match|replace)\(\)"):
        CHECKS.xpath(expression)
    JOB_CHECKS.xpath(expression)


@pytest.mark.parametrize(
    "expression", ["//a[re:test(., 're:match(')]", "//re:match", '//a[. = "re:replace("]']
)
def test_xpath_that_only_mentions_a_removed_function_is_accepted(expression: str) -> None:
    """The name of a removed function in a string or as an element's name is not a call."""
    CHECKS.xpath(expression)
