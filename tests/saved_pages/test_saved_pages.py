"""Saved pages: each directory here is a test, with a page, a recipe, and the items that the recipe finds."""

import json
import re
from pathlib import Path

import pytest

from console.recipes.recipe_file import load_recipe
from extraction.explain import explain
from extraction.extract import extract
from extraction.page import SavedPage

HERE = Path(__file__).parent
CASES = sorted(place.parent for place in HERE.glob("*/recipe.yaml"))
KINDS = {"documentation", "product", "listing", "article", "table", "forum", "api", "feed"}


def saved_page(case: Path) -> SavedPage:
    """Return the page of a case."""
    [path] = case.glob("page.*")
    meta = json.loads((case / "meta.json").read_text(encoding="utf-8"))
    return SavedPage(meta["url"], meta["content_type"], path.read_bytes())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_saved_page_gives_expected_items(case: Path) -> None:
    """Items, warnings and the next page's URL, exactly, down to the order of the fields."""
    found = extract(load_recipe(case / "recipe.yaml"), saved_page(case))
    expected = (case / "expected.json").read_text(encoding="utf-8")
    assert json.dumps(found._asdict(), indent=2, ensure_ascii=False) + "\n" == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_explain_gives_what_extract_gives(case: Path) -> None:
    """`scrapeq recipe try` shows what the worker does, and has a reason for every source without a value."""
    recipe, page = load_recipe(case / "recipe.yaml"), saved_page(case)
    explained = explain(recipe, page)
    assert explained.error is None
    assert explained.extracted == extract(recipe, page)
    assert explained.findings
    assert all(bool(finding.why) == (finding.value is None) for finding in explained.findings)


def test_saved_pages_cover_all_kinds() -> None:
    """Every kind of page has several examples."""
    assert len(CASES) >= 30
    assert {case.name.partition("-")[0] for case in CASES} == KINDS


def test_every_page_taken_from_elsewhere_is_named_with_its_licence() -> None:
    """Pages by other authors are in the README's table; all others were written for this directory."""
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([\w-]+)`", readme, re.MULTILINE))
    assert named == {case.name for case in CASES if re.search(r"-(?:python|libffi)-", case.name)}
