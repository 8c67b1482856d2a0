"""Tests that no query of BigQuery that is documented can cost more than a known amount."""

import re

import pytest

from tests.repository.documented_commands import commands
from tests.repository.tree import ROOT

#: At $6.25 per TiB, one query costs at most $0.57: https://cloud.google.com/bigquery/pricing#on_demand_pricing
MAX_BYTES = 100_000_000_000
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md"), ROOT / "README.md"])
QUERIES = [
    words
    for page in PAGES
    for words in commands(page.read_text(encoding="utf-8"))
    if words[:2] == ["bq", "query"]
]


def limit_of(words: list[str]) -> int | None:
    """Return the bytes that a query may read; None if it may read everything."""
    found = [re.fullmatch(r"--maximum_bytes_billed=(\d+)", word) for word in words]
    limits = [int(each[1]) for each in found if each]
    return limits[0] if limits else None


@pytest.mark.parametrize("words", QUERIES, ids=lambda words: words[-1][:60])
def test_documented_query_has_a_maximum_of_bytes(words: list[str]) -> None:
    """Each documented query fails at no cost if it would read more than 100 GB."""
    limit = limit_of(words)
    assert limit is not None
    assert limit <= MAX_BYTES


def test_query_without_a_maximum_is_found() -> None:
    """The search finds the queries of the runbook, and a query without a maximum has no limit."""
    assert len(QUERIES) >= 15
    assert limit_of(["bq", "query", "--nouse_legacy_sql", "SELECT 1"]) is None
