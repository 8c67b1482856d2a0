"""Tests that each decision record has a date, a status and a reason, and that the index lists all records."""

import re
from pathlib import Path

import pytest

from tests.repository.tree import ROOT, shown

FOLDER = ROOT / "docs" / "decisions"
RECORDS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
HEAD = re.compile(
    r"# .+\n\n\| date \| status \| what decided \|\n\|---\|---\|---\|\n"
    r"\| (?P<date>\d{4}-\d\d-\d\d) \| (?P<status>accepted|superseded|proposed)[^|]* \| [^|]+ \|\n"
)


@pytest.mark.parametrize("record", RECORDS, ids=shown)
def test_a_record_begins_with_its_date_status_and_reason(record: Path) -> None:
    """A record begins with its title and a table of its date, its status and the reason for the decision."""
    assert HEAD.match(record.read_text(encoding="utf-8"))


def test_the_index_lists_every_record_with_its_date() -> None:
    """The index lists exactly the existing records, with the same dates."""
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = {
        (name, date)
        for date, name in re.findall(r"^\| (\S+) \| \[.+?\]\(([\w-]+\.md)\)", index, re.MULTILINE)
    }
    heads = {path.name: HEAD.match(path.read_text(encoding="utf-8")) for path in RECORDS}
    assert listed == {(name, head["date"]) for name, head in heads.items() if head}
