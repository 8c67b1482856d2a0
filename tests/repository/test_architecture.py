"""ARCHITECTURE.md says where to change what; test_links.py checks that the files it names exist."""

import re

from tests.repository.tree import ROOT

PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_the_page_answers_where_to_change_what() -> None:
    """Each row names a file in its second cell."""
    table = PAGE.partition("## Where to change what")[2]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) > 30
    assert [row[0] for row in rows[1:] if not re.search(r"`[\w-]+/[\w./-]*`", row[1])] == []
