"""Crawls written as YAML: every fault at once, each with its line."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.errors import UsageError
from console.recipes.crawl_file import load_crawl, name_run, read_crawl

GOOD = """\
name: books
sources:
  urls: [https://shop.example/]
recipe:
  name: book
  fields:
    title: {css: "h1::text", required: true}
"""


def faults_of(text: str | bytes) -> list[str]:
    """Return the lines of the complaint that reading `text` ends with."""
    with pytest.raises(UsageError) as caught:
        read_crawl(text.encode() if isinstance(text, str) else text, "books.yaml")
    first, *faults = str(caught.value).splitlines()
    assert first == "The crawl was not dispatched."
    return faults


def test_a_good_crawl_is_read() -> None:
    """What the documentation shows as YAML is the crawl that the dispatcher takes as JSON."""
    crawl = read_crawl(GOOD.encode(), "books.yaml")
    assert crawl.name == "books"
    assert crawl.recipe.fields["title"].required


def test_every_fault_is_named_with_its_line() -> None:
    """An operator corrects a file once, not once for each fault."""
    text = GOOD.replace("name: books", "name: Books").replace("required: true", "type: money")
    text += "limits:\n  max_jobs: 0\n"
    faults = faults_of(text)
    assert [fault.partition(": ")[0] for fault in faults] == ["books.yaml:1", "books.yaml:7", "books.yaml:9"]
    assert "recipe.fields.title.type" in faults[1]
    assert "limits.max_jobs" in faults[2]


def test_a_misspelt_field_is_a_fault_on_its_line() -> None:
    """A typo must not become a default in silence."""
    (fault,) = faults_of(GOOD + "politness:\n  delay_seconds: 1\n")
    assert fault == "books.yaml:8: politness: there is no such field"


def test_what_is_missing_is_said_at_its_parent() -> None:
    """A field that is not in the file has no line; the line of what lacks it helps."""
    (fault,) = faults_of(GOOD.replace("  name: book\n", ""))
    assert fault == "books.yaml:4: recipe.name: missing"


def test_broken_yaml_is_told_by_line() -> None:
    """A syntax error has the line that the parser stopped at."""
    (fault,) = faults_of("name: books\nsources: [\n")
    assert fault.startswith("books.yaml:3: not YAML: ")


def test_a_key_given_twice_is_a_fault() -> None:
    """YAML parsers keep the last of two in silence; a crawl with two recipes is a mistake."""
    (fault,) = faults_of(GOOD + "name: other\n")
    assert fault == "books.yaml:8: name is given twice"


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "null", "42"])
def test_a_file_that_is_no_mapping_is_told_what_a_crawl_is(text: str) -> None:
    """A crawl is a mapping; anything else gets that sentence, not a stack trace."""
    assert faults_of(text) == ["books.yaml:1: a crawl is a mapping: name, sources, recipe"]


def test_dates_stay_text() -> None:
    """YAML makes dates of what looks like one, JSON has none; a default of 2026-01-01 is text."""
    crawl = read_crawl(GOOD.replace("required: true", "default: 2026-01-01").encode(), "books.yaml")
    assert crawl.recipe.fields["title"].default == "2026-01-01"


def test_python_objects_are_not_made() -> None:
    """A crawl from a stranger runs no code: tags beyond plain values are refused."""
    (fault,) = faults_of(GOOD + "limits: !!python/object/apply:os.system ['true']\n")
    assert fault.startswith("books.yaml:8: not YAML: could not determine a constructor")


def test_aliases_that_stand_for_billions_are_refused() -> None:
    """A few lines of nested aliases must not fill the memory."""
    levels = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 10)]
    (fault,) = faults_of("\n".join(["a0: &a0 [x]", *levels]))
    assert "more than 1,000,000 values" in fault


def test_an_alias_inside_of_itself_is_refused() -> None:
    """A value that contains itself has no JSON."""
    assert faults_of(GOOD + "limits: &me\n  max_jobs: *me\n") == [
        "books.yaml:8: an alias inside of what it stands for"
    ]


def test_deep_nesting_is_refused() -> None:
    """A file of brackets gets a sentence."""
    (fault,) = faults_of("name: " + "[" * 50_000)
    assert fault == "books.yaml:1: nested too deeply"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_crawl_or_a_complaint(text: bytes) -> None:
    """Whatever is in the file, the operator reads sentences."""
    with pytest.raises(UsageError):
        read_crawl(text, "books.yaml")


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    """The name of the file and what the system says of it."""
    with pytest.raises(UsageError, match=r"none\.yaml cannot be read: No such file or directory\."):
        load_crawl(tmp_path / "none.yaml")


def test_a_file_larger_than_a_crawl_may_be_is_not_read(tmp_path: Path) -> None:
    """The dispatcher takes 1 MiB; a larger file is refused before it is parsed."""
    large = tmp_path / "large.yaml"
    large.write_text("#" * (1024 * 1024 + 1))
    with pytest.raises(UsageError, match="has more than 1048576 bytes"):
        load_crawl(large)


def test_a_run_is_named_by_crawl_and_second() -> None:
    """The name is made once per command, so that repeating a request makes the same jobs."""
    crawl = read_crawl(GOOD.encode(), "books.yaml")
    now = datetime(2026, 11, 22, 6, 0, 0, 999, tzinfo=UTC)
    assert name_run(crawl, now) == "books-2026-11-22T06:00:00Z"
    assert name_run(crawl.model_copy(update={"run_id": "mine"}), now) == "mine"
