"""Tests which URLs a pattern matches."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.url_pattern import MAX_PATTERN_CHARACTERS, check_url_pattern, matches


@pytest.mark.parametrize(
    ("pattern", "url", "expected"),
    [
        ("https://shop.example/books/*", "https://shop.example/books/1?a=b", True),
        ("https://shop.example/books/*", "https://shop.example/music/1", False),
        ("*/books/*", "https://shop.example/de/books/1", True),
        ("*.pdf", "https://shop.example/a.pdf", True),
        ("*.pdf", "https://shop.example/a.pdf?x", False),
        ("https://shop.example/", "https://shop.example/", True),
        ("https://shop.example/", "https://shop.example/a", False),
        ("*?page=*", "https://shop.example/?page=2", True),
        ("*a*a", "a", False),
        ("*", "", True),
    ],
)
def test_a_star_stands_for_any_characters(pattern: str, url: str, expected: bool) -> None:
    """All other characters stand for themselves, also those that are special in regular expressions."""
    assert matches(pattern, url) is expected


@given(pattern=st.text("ab/*?.", max_size=12), url=st.text("ab/?.", max_size=20))
def test_the_result_is_that_of_a_regular_expression(pattern: str, url: str) -> None:
    """A pattern matches like the regular expression in which each star is `.*`."""
    expression = ".*".join(map(re.escape, pattern.split("*")))
    assert matches(pattern, url) == bool(re.fullmatch(expression, url, re.DOTALL))


@pytest.mark.parametrize(
    ("pattern", "why"),
    [("  ", "the pattern is empty"), ("a" * (MAX_PATTERN_CHARACTERS + 1), "the maximum is 500")],
)
def test_an_invalid_pattern_is_refused(pattern: str, why: str) -> None:
    """The message says what is wrong."""
    with pytest.raises(ValueError, match=why):
        check_url_pattern(pattern)
