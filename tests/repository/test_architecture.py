"""Checks the table "Which file to edit" of ARCHITECTURE.md; test_links.py checks that its files exist."""

import re

from tests.repository.tree import ROOT

PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_every_row_of_which_file_to_edit_names_a_file() -> None:
    """Each row of the table "Which file to edit" has a path in its second cell."""
    table = PAGE.partition("## Which file to edit")[2]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) > 30
    assert [row[0] for row in rows[1:] if not re.search(r"`[\w-]+/[\w./-]*`", row[1])] == []
