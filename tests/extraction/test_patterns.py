"""Regular expressions of a recipe: Python's language, and a limit on time and text."""

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
    """No page keeps a worker busy through a pattern."""
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
    """For a megabyte of text, the recipe needs a narrower selector."""
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
def test_exslt_test_gives_what_lxml_gives(expression: str, found: object) -> None:
    """`re:test` gives the same results as lxml's own, and has a time limit."""
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
def test_search_finds_what_re_finds(pattern: str, text: str) -> None:
    """Another engine, the same language."""
    match = re.search(pattern, text)
    expected = None if match is None else match[match.re.groups] or ""
    assert search(pattern, text) == expected


@pytest.mark.parametrize("pattern", [r"\d+", r"£([\d.]+)", r"(?:a|b)c", r"(?P<price>\d+)", "(?i)isbn", "^$"])
def test_pattern_with_at_most_one_group_is_accepted(pattern: str) -> None:
    """The group is the value, or the whole match."""
    check_pattern(pattern)
