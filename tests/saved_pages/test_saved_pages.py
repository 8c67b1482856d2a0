"""Tests recipes on saved pages. Each directory here contains a page, a recipe, and the expected result."""

import json
import re
from pathlib import Path

import pytest

from console.recipes.recipe_file import load_recipe
from extraction.explain import explain
from extraction.extract import extract
from tests.saved_pages.saved_page import CASES, saved_page

HERE = Path(__file__).parent
KINDS = {"documentation", "product", "listing", "article", "table", "forum", "api", "feed"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_recipe_has_the_expected_result_on_its_saved_page(case: Path) -> None:
    """Items, order of fields, warnings and next URL are exactly those of expected.json."""
    found = extract(load_recipe(case / "recipe.yaml").recipe, saved_page(case))
    expected = (case / "expected.json").read_text(encoding="utf-8")
    assert json.dumps(found._asdict(), indent=2, ensure_ascii=False) + "\n" == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_explain_has_the_same_result_as_extract(case: Path) -> None:
    """`explain` returns the same items as `extract`, and a reason for every source without a value."""
    recipe, page = load_recipe(case / "recipe.yaml").recipe, saved_page(case)
    explained = explain(recipe, page)
    assert explained.error is None
    assert explained.extracted == extract(recipe, page)
    assert explained.findings
    assert all(bool(finding.why) == (finding.value is None) for finding in explained.findings)


def test_saved_pages_cover_all_kinds() -> None:
    """There are at least 30 saved pages, and every kind of page is among them."""
    assert len(CASES) >= 30
    assert {case.name.partition("-")[0] for case in CASES} == KINDS


def test_every_page_by_another_author_is_listed_with_its_licence() -> None:
    """The table of the README lists exactly the pages by other authors (those of Python and libffi)."""
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([\w-]+)`", readme, re.MULTILINE))
    assert named == {case.name for case in CASES if re.search(r"-(?:python|libffi)-", case.name)}
