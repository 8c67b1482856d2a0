"""Tests which patterns a recipe may have, and that EXSLT's `re:test` searches like lxml's."""

import pytest
from lxml import etree

from extraction.patterns import check_pattern
from extraction.selectors import compile_xpath


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
    root = etree.fromstring("<p>x</p>")
    assert compile_xpath(expression)(root) == found
    own = etree.XPath(expression, namespaces={"re": "http://exslt.org/regular-expressions"})
    assert own(root) == found


@pytest.mark.parametrize("pattern", [r"\d+", r"£([\d.]+)", r"(?:a|b)c", r"(?P<price>\d+)", "(?i)isbn", "^$"])
def test_pattern_with_at_most_one_group_is_accepted(pattern: str) -> None:
    """A pattern without a group or with one group passes the check."""
    check_pattern(pattern)
