"""Tests that a recipe's patterns match like Python's `re`, and that time and text length are limited."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from extraction.patterns import MAX_SEARCHED_CHARACTERS, SearchFailed, check_pattern, search
from extraction.selectors import compile_xpath


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"(a|aa)+$", "a" * 100 + "!"), (r"(x+x+)+y", "x" * 100_000), (r"\s+$", " " * 500_000 + "x")],
)
def test_pattern_that_backtracks_is_search_failed(pattern: str, text: str) -> None:
    """A search that takes too long raises SearchFailed, in a recipe's `re` and in EXSLT's `re:test`."""
    with pytest.raises(SearchFailed, match="it backtracks"):
        search(pattern, text)
    nodes = compile_xpath("re:test(., $pattern)")
    with pytest.raises(SearchFailed):
        nodes(compile_xpath("/*")(_root(text))[0], pattern=pattern)


def _root(text: str) -> Any:  # noqa: ANN401 - lxml has no types
    root = etree.Element("p")
    root.text = text
    return root


def test_text_too_long_for_a_pattern_is_search_failed() -> None:
    """A search in more than MAX_SEARCHED_CHARACTERS characters raises SearchFailed."""
    with pytest.raises(SearchFailed, match="the maximum is 1000000"):
        search("a", "b" * (MAX_SEARCHED_CHARACTERS + 1))


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("re:test('ABC', 'b')", False),
        ("re:test('ABC', 'b', 'i')", True),
        ("re:test(//none, '^$')", True),
    ],
)
def test_exslt_test_has_the_same_result_as_in_lxml(expression: str, found: object) -> None:
    """`re:test` has the same result as lxml's own function."""
    root = _root("x")
    assert compile_xpath(expression)(root) == found
    own = etree.XPath(expression, namespaces={"re": "http://exslt.org/regular-expressions"})
    assert own(root) == found


@given(
    pattern=st.sampled_from(
        [r"\d+", r"\bé\w*", "(?i)STRASSE", "^a.c$", r"(?<=£)\d+", r"(\w)\b", "a|(b)", r"\s+"]
    ),
    text=st.text("abcé1 £Straße\n", max_size=30),
)
def test_search_has_the_same_result_as_re(pattern: str, text: str) -> None:
    """`search`, which uses the package regex, has the same result as Python's `re`."""
    match = re.search(pattern, text)
    expected = None if match is None else match[match.re.groups] or ""
    assert search(pattern, text) == expected


@pytest.mark.parametrize("pattern", [r"\d+", r"£([\d.]+)", r"(?:a|b)c", r"(?P<price>\d+)", "(?i)isbn", "^$"])
def test_pattern_with_at_most_one_group_is_accepted(pattern: str) -> None:
    """A pattern without a group or with one group passes the check."""
    check_pattern(pattern)
