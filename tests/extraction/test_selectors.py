"""Tests that selectors are translated to XPath expressions that compile, and are evaluated like them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from contract.fields import Source
from contract.recipe import Markup, RecipeField
from extraction.document import Document
from extraction.page import SavedPage
from extraction.selection import select
from extraction.selectors import CHECKS, JOB_CHECKS, compile_xpath, css_to_xpath, named_elements, xpath_of
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


NAMES = ["a", "p", "h1", "div", "body", "html", "title", "svg", "H1", "x-y", "none"]
LISTS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)
BY_NAMES = st.one_of(
    LISTS.map(lambda names: Source(css=", ".join(names))),
    LISTS.map(lambda names: Source(xpath=" | ".join(f"//{name}" for name in names))),
)
TAGS = [*(f"<{name}>" for name in NAMES), "</p>", "</div>", "</body>", "</html>", "<dc:a>", "<!--a-->", "a"]


@given(parts=st.lists(st.sampled_from(TAGS), max_size=25), source=BY_NAMES, markup=st.sampled_from(Markup))
def test_selector_of_names_finds_the_elements_of_its_xpath(
    parts: list[str], source: Source, markup: Markup
) -> None:
    """A selector that only names elements finds in each element what libxml2's XPath finds there."""
    body = "".join(parts)
    if markup is Markup.XML:
        body = f'<r xmlns:dc="http://purl.org/dc/elements/1.1/"><a xmlns="b"><p/></a>{body}</r>'
    document = Document(SavedPage("https://shop.example/", "text/html", body.encode()), markup)
    expression = str(xpath_of(source, xml=document.is_xml))
    for node in document.root.iter("*"):
        assert list(select(source, node, document)) == compile_xpath(expression)(node)


@pytest.mark.parametrize(
    "expression",
    ["//a/@href", "//a[1]", "//a | b", "a", "//dc:a", "//*", ".//a", "//text()", "//html", "//a |"],
)
def test_expression_of_more_than_names_is_left_to_xpath(expression: str) -> None:
    """Predicates, attributes, prefixes, wildcards, functions and other axes are evaluated by libxml2."""
    assert named_elements(expression) is None


@pytest.mark.parametrize("expression", ["//h1|//h2 | //h3", " //h1 ", css_to_xpath("h1, h2, h3")])
def test_expression_of_names_is_recognised(expression: str) -> None:
    """The names in an XPath expression or a CSS selector are found, whatever white space is between them."""
    assert "h1" in (named_elements(expression) or [[]])[0]
