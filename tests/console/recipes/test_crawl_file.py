"""Tests of reading a crawl from YAML: all faults are reported together, each with its line."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.errors import UsageError
from console.recipes.crawl_file import load_crawl, read_crawl

VALID = """\
name: books
sources:
  urls: [https://shop.example/]
recipe:
  name: book
  fields:
    title: {css: "h1::text", required: true}
"""


def faults_of(text: str | bytes) -> list[str]:
    """Read `text`, which must be invalid; return the lines of the error's message about its faults."""
    with pytest.raises(UsageError) as caught:
        read_crawl(text.encode() if isinstance(text, str) else text, "books.yaml")
    first, *faults = str(caught.value).splitlines()
    assert first == "The crawl has faults, so nothing was sent:"
    return faults


def test_valid_crawl_is_read() -> None:
    """A valid crawl in YAML is read with all of its fields."""
    crawl = read_crawl(VALID.encode(), "books.yaml")
    assert crawl.name == "books"
    assert crawl.recipe.fields["title"].required


def test_all_faults_are_reported_with_their_lines() -> None:
    """A file with three faults gives one error with three lines, so an operator can fix them together."""
    text = VALID.replace("name: books", "name: Books").replace("required: true", "type: money")
    text += "limits:\n  max_jobs: 0\n"
    faults = faults_of(text)
    assert [fault.partition(": ")[0] for fault in faults] == ["books.yaml:1", "books.yaml:7", "books.yaml:9"]
    assert "recipe.fields.title.type" in faults[1]
    assert "limits.max_jobs" in faults[2]


def test_unknown_field_is_a_fault_on_its_line() -> None:
    """A misspelt field is reported as a fault instead of being ignored."""
    (fault,) = faults_of(VALID + "politness:\n  delay_seconds: 1\n")
    assert fault == "books.yaml:8: politness: there is no such field; did you mean politeness?"


def test_missing_field_is_reported_on_the_line_of_its_parent() -> None:
    """A missing field is reported with the line of the mapping in which it is missing."""
    (fault,) = faults_of(VALID.replace("  name: book\n", ""))
    assert fault == "books.yaml:4: recipe.name: missing"


def test_syntax_error_is_reported_with_its_line() -> None:
    """A syntax error is reported with the line at which the parser stopped."""
    (fault,) = faults_of("name: books\nsources: [\n")
    assert fault.startswith("books.yaml:3: not YAML: ")


def test_duplicate_keys_are_all_reported() -> None:
    """Every duplicate key is reported, although PyYAML would silently use the last one."""
    assert faults_of(VALID + "name: other\nname: third\n") == [
        "books.yaml:8: duplicate key name",
        "books.yaml:9: duplicate key name",
    ]


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "null", "42"])
def test_file_without_a_mapping_reports_what_a_crawl_is(text: str) -> None:
    """A file that is not a mapping is reported with a sentence that states what a crawl is."""
    assert faults_of(text) == ["books.yaml:1: a crawl is a mapping with name, sources and recipe"]


def test_dates_are_read_as_text() -> None:
    """A YAML date such as 2026-01-01 is read as text, because JSON has no dates."""
    crawl = read_crawl(VALID.replace("required: true", "default: 2026-01-01").encode(), "books.yaml")
    assert crawl.recipe.fields["title"].default == "2026-01-01"


def test_yaml_tags_of_python_objects_are_refused() -> None:
    """A YAML tag that would create a Python object is a fault, so a crawl file cannot run code."""
    (fault,) = faults_of(VALID + "limits: !!python/object/apply:os.system ['true']\n")
    assert fault == "books.yaml:8: the tag '!!python/object/apply:os.system' is not supported"


def test_aliases_that_expand_to_billions_of_values_are_refused() -> None:
    """Nested aliases that expand to more than a million values are a fault, so they cannot exhaust memory."""
    levels = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 10)]
    (fault,) = faults_of("\n".join(["a0: &a0 [x]", *levels]))
    assert "more than 1,000,000 values" in fault


def test_alias_inside_of_its_own_anchor_is_refused() -> None:
    """An alias inside of its own anchor is a fault, because JSON cannot represent the value."""
    assert faults_of(VALID + "limits: &me\n  max_jobs: *me\n") == [
        "books.yaml:8: an alias inside of its own anchor"
    ]


def test_deep_nesting_is_refused() -> None:
    """A file with 50,000 nested brackets gives one fault without a stack trace."""
    (fault,) = faults_of("name: " + "[" * 50_000)
    assert fault == "books.yaml:1: nested too deeply"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("!!bool maybe", "not YAML: 'maybe' is not a value of the type !!bool"),
        ("!!int x", "not YAML: 'x' is not a value of the type !!int"),
        ('!!int ""', "not YAML: '' is not a value of the type !!int"),
        ("!!float 1.x", "not YAML: '1.x' is not a value of the type !!float"),
        ("!!timestamp 2026-13-45", "the tag '!!timestamp' is not supported"),
        ("!!binary AAAA", "the tag '!!binary' is not supported"),
        ("!!set {a}", "the tag '!!set' is not supported"),
        ("!mine x", "the tag '!mine' is not supported"),
        ("{? [a] : b}", "not YAML: found unhashable key"),
        ("{<<: 1}", "not YAML: expected a mapping or list of mappings for merging, but found scalar"),
        ("1" + ":0" * 300_000, "a number of 600001 characters; the maximum is 100"),
        ("9" * 5000, "a number of 5000 characters; the maximum is 100"),
        ('"\\UFFFFFFFF"', "not YAML: "),
        ('"\\U00110000"', "not YAML: "),
        (".nan", "limits: nan is not a JSON number"),
        ("{max_jobs: -.inf}", "limits.max_jobs: -inf is not a JSON number"),
        ('"\\uD800"', "limits: a lone surrogate"),
        ("{a\u202e: 1}", "limits.a\\u202e: there is no such field"),
        ('{"a\\nb": 1, "a\\nb": 2}', "duplicate key a\\u000ab"),
        ("{http://bob:secret@h/: 1}", "limits.http://***@h/: there is no such field"),
        ("\x01", "not YAML: special characters are not allowed"),
        ("*missing", "not YAML: found undefined alias 'missing'"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_value_that_cannot_be_read_is_a_fault_on_its_line(value: str, fault: str) -> None:
    """A tag, number or character that no crawl has is reported with its line, whatever PyYAML raises."""
    (found,) = faults_of(f"{VALID}limits: {value}\n")
    assert found.startswith(f"books.yaml:8: {fault}")


def test_merged_mappings_that_expand_to_billions_of_values_are_refused() -> None:
    """Nested merge keys that expand to more than a million values are a fault."""
    levels = [f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 10)}]}}" for level in range(1, 10)]
    (fault,) = faults_of("\n".join(["a0: &a0 {x: 1}", *levels]))
    assert "more than 1,000,000 values" in fault


TAGS = """|!!bool |!!int |!!float |!!null |!!str |!!map |!!seq |!!timestamp |!!merge |!!binary |!!set
|!!omap |!!pairs |!!python/name:os.system |!x |&a |*a |? """.replace("\n", "").split("|")
SCALARS = """|x|1|0x|0b2|1:99|1e999|.nan|-.inf|~|yes|=|<<|2026-02-30|''
|"\\uD800"|"\\x"|name|sources|[|]|{|}|- |>|%
|@|\u2028|\t""".replace("\n", "").split("|")
yaml_values = st.recursive(
    st.builds("{}{}".format, st.sampled_from(TAGS), st.sampled_from(SCALARS) | st.text(max_size=5)),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda values: f"[{', '.join(values)}]")
        | st.lists(st.tuples(inner, inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=12,
)


@given(st.lists(st.tuples(st.sampled_from(["name", "recipe", "limits", "a", "<<"]), yaml_values), max_size=5))
def test_any_yaml_is_read_or_reported_with_lines(entries: list[tuple[str, str]]) -> None:
    """A file with arbitrary tags, aliases and values is a crawl, or has faults that all have a line."""
    text = VALID + "".join(f"{key}: {value}\n" for key, value in entries)
    try:
        read_crawl(text.encode(errors="surrogatepass"), "books.yaml")
    except UsageError as error:
        first, *faults = str(error).split("\n")
        assert first == "The crawl has faults, so nothing was sent:"
        assert faults
        assert all(re.match(r"books\.yaml:[1-9]\d*: .", fault) and fault.isprintable() for fault in faults)


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_usage_error(text: bytes) -> None:
    """Random bytes raise UsageError and no other exception."""
    with pytest.raises(UsageError):
        read_crawl(text, "books.yaml")


def test_missing_file_raises_usage_error(tmp_path: Path) -> None:
    """The error's message for a missing file has the file's name and the system's error."""
    with pytest.raises(UsageError, match=r"none\.yaml cannot be read: No such file or directory\."):
        load_crawl(tmp_path / "none.yaml")


def test_file_larger_than_1_mib_is_refused(tmp_path: Path) -> None:
    """A file larger than 1 MiB, the dispatcher's maximum, is rejected before it is parsed."""
    large = tmp_path / "large.yaml"
    large.write_text("#" * (1024 * 1024 + 1))
    with pytest.raises(UsageError, match="is larger than 1048576 bytes"):
        load_crawl(large)
