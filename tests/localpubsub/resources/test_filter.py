"""Tests the filter language: which messages a filter matches, and which filters are rejected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpubsub.errors import InvalidArgument
from localpubsub.resources.filter import And, Condition, Differs, Equals, Has, HasPrefix, Not, Or
from localpubsub.resources.filter_parser import parse

#: Name of a message → its attributes.
MESSAGES: dict[str, dict[str, str]] = {
    "none": {},
    "a1": {"a": "1"},
    "a12": {"a": "12"},
    "b": {"b": "1"},
    "ab": {"a": "1", "b": "1"},
    "special": {"a b": 'say "1"', "x-y_Z0": "1"},
}

#: (filter, names of the messages that it matches).
CASES = [
    ("attributes:a", {"a1", "a12", "ab"}),
    ('attributes.a = "1"', {"a1", "ab"}),
    ('attributes.a != "1"', {"none", "a12", "b", "special"}),
    ('NOT attributes.a = "1"', {"none", "a12", "b", "special"}),
    ("-attributes:a", {"none", "b", "special"}),
    ('hasPrefix(attributes.a, "1")', {"a1", "a12", "ab"}),
    ('hasPrefix(attributes.a, "")', {"a1", "a12", "ab"}),
    ("attributes:a AND attributes:b", {"ab"}),
    ("attributes:a OR attributes:b", {"a1", "a12", "b", "ab"}),
    ("NOT attributes:a AND attributes:b", {"b"}),
    ("NOT (attributes:a AND attributes:b)", {"none", "a1", "a12", "b", "special"}),
    ('(attributes.a = "1" AND attributes:b) OR attributes:x-y_Z0', {"ab", "special"}),
    ('attributes."a b" = "say \\"1\\""', {"special"}),
    ('attributes.a = "\\x31"', {"a1", "ab"}),
    ('attributes.a = "\\u0031\\062"', {"a12"}),
    (" \n( ( attributes : a ) )\t", {"a1", "a12", "ab"}),
    ('attributes:"a"', {"a1", "a12", "ab"}),
    ('attributes.a="1"AND attributes:b', {"ab"}),
]


@pytest.mark.parametrize(("text", "matching"), CASES, ids=[text.strip() for text, _ in CASES])
def test_filter_matches_as_documented(text: str, matching: set[str]) -> None:
    """A filter matches exactly the messages that Pub/Sub's documentation describes.

    https://cloud.google.com/pubsub/docs/subscription-message-filter#filtering_syntax
    """
    condition = parse(text)
    assert condition is not None
    assert {name for name, attributes in MESSAGES.items() if condition.matches(attributes)} == matching


#: (invalid filter, position of its first error).
INVALID = [
    ("attributes:a AND attributes:b OR attributes:c", 30),
    ("attributes:a attributes:b", 13),
    ("attributes:a and attributes:b", 13),
    ("not attributes:a", 0),
    ("NOT NOT attributes:a", 4),
    ("attributes.a", 12),
    ("attributes.a = 1", 15),
    ("attributes.a = 'x'", 15),
    ('attributes.a = "1', 15),
    ('attributes.a < "1"', 13),
    ("attributes:", 11),
    ("attributes:AND", 11),
    ("data:x", 0),
    ("(attributes:a", 13),
    ("attributes:a)", 12),
    ('hasPrefix(attributes:a, "1")', 20),
    ('hasSuffix(attributes.a, "1")', 0),
    ('attributes.a = "\\q"', 16),
    ('attributes.a = "\\UFFFFFFFF"', 16),
    ("   ", 3),
    ("attributes:ü", 11),
    ("(" * 100, 64),
]


@pytest.mark.parametrize(("text", "position"), INVALID, ids=[text for text, _ in INVALID])
def test_invalid_filter_names_the_position(text: str, position: int) -> None:
    """The error for an invalid filter has the position of the first error, counted in characters from 0."""
    with pytest.raises(InvalidArgument, match=f"at position {position},"):
        parse(text)


def test_filter_longer_than_256_bytes_is_rejected() -> None:
    """A filter of 256 bytes is accepted; a longer filter is rejected even if it has fewer characters."""
    assert parse("attributes:" + "x" * 245) == Has("x" * 245)
    with pytest.raises(InvalidArgument, match="256 bytes"):
        parse('attributes:"' + "ü" * 122 + '"')


def test_empty_filter_has_no_condition() -> None:
    """An empty filter is parsed into None, which means that every message matches."""
    assert parse("") is None


def as_filter(condition: Condition) -> str:  # noqa: PLR0911 - there is one return for each kind of condition
    """Return the text of a filter with this condition."""
    match condition:
        case Has(key):
            return f"attributes:{quoted(key)}"
        case Equals(key, value):
            return f"attributes.{quoted(key)} = {quoted(value)}"
        case Differs(key, value):
            return f"attributes.{quoted(key)} != {quoted(value)}"
        case HasPrefix(key, prefix):
            return f"hasPrefix(attributes.{quoted(key)}, {quoted(prefix)})"
        case Not(inner):
            return f"NOT ({as_filter(inner)})"
        case And(conditions):
            return " AND ".join(f"({as_filter(each)})" for each in conditions)
        case Or(conditions):
            return " OR ".join(f"({as_filter(each)})" for each in conditions)
        case _:
            raise AssertionError(condition)


def quoted(text: str) -> str:
    """Return a string literal of the filter language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


KEYS = st.text('ab"\\ü ', min_size=1, max_size=2)
LEAVES: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Has, KEYS),
    st.builds(Equals, KEYS, KEYS),
    st.builds(Differs, KEYS, KEYS),
    st.builds(HasPrefix, KEYS, KEYS),
)


def branches(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    """Return a strategy of conditions that contain other conditions."""
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, inner), st.builds(And, several), st.builds(Or, several))


@given(st.recursive(LEAVES, branches, max_leaves=5), st.dictionaries(KEYS, KEYS, max_size=3))
def test_filter_of_any_condition_is_parsed_back(condition: Condition, attributes: dict[str, str]) -> None:
    """A condition that is written as a filter is parsed back into an equal condition."""
    text = as_filter(condition)
    if len(text.encode()) > 256:
        return
    read = parse(text)
    assert read is not None
    assert read == condition
    assert read.matches(attributes) == condition.matches(attributes)


TOKENS = st.sampled_from(
    [
        "attributes",
        "hasPrefix",
        "AND",
        "OR",
        "NOT",
        "-",
        ":",
        ".",
        "=",
        "!=",
        "(",
        ")",
        ",",
        '"a"',
        "a",
        " ",
        '"',
        "\\",
    ]
)


@given(
    st.one_of(st.text(max_size=80), st.lists(TOKENS, max_size=60).map("".join), st.text("()- ", max_size=256))
)
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    """For any text the parser returns a condition or raises InvalidArgument."""
    try:
        condition = parse(text)
    except InvalidArgument:
        return
    assert condition is None or condition.matches({"a": "a"}) in {True, False}
