"""Reads the saved pages. Each directory here contains a page, a recipe, and the expected result."""

import json
from pathlib import Path

from extraction.page import SavedPage

CASES = sorted(recipe.parent for recipe in Path(__file__).parent.glob("*/recipe.yaml"))


def saved_page(case: Path) -> SavedPage:
    """Return the page in the directory `case`."""
    [path] = case.glob("page.*")
    meta = json.loads((case / "meta.json").read_text(encoding="utf-8"))
    return SavedPage(meta["url"], meta["content_type"], path.read_bytes())
