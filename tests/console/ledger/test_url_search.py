"""Tests that the search for a text in URLs has the same answer with the index of trigrams and without it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from console.ledger import url_search
from console.ledger.job_page import Cursor, JobFilter, job_groups, job_page
from console.ledger.ledger import Ledger
from tests.console.ledger.rows import Row, job_row, outcome_row, record

#: Parts of URLs and of texts: what is special in LIKE, in FTS5 and in JSON, and letters of two cases.
PARTS = (
    *("shop", "SHOP", "%", "_", "\\", '"', "'", "*", "-", " AND ", "/", "\0", "é", "É", "ß", "İ", "k"),
    "\u212a",  # the sign of Kelvin, whose small letter is an ASCII k
    "\U0001d4b3",  # a character beyond the 16 bits of others
)
TEXTS = st.lists(st.sampled_from(PARTS) | st.text(max_size=2), max_size=4).map("".join)


def row(job: str, url: str, run: str) -> Row:
    """Return the outcome of a job with a URL; a URL need not be valid."""
    return outcome_row(job, len(job), run=run, url=url)


@contextmanager
def ledger_with(urls: list[str]) -> Iterator[Ledger]:
    """Make a ledger with two runs that have these URLs."""
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger(Path(directory))
        ledger.create()
        jobs = [(f"job-{place}", url) for place, url in enumerate(urls)]
        record(ledger, [row(job, url, run) for run in ("run-1", "run-2") for job, url in jobs])
        yield ledger


class Unindexed(Ledger):
    """A ledger whose queries compare the text of each URL."""

    def rows_with_text(self, run_id: str, text: str) -> list[int] | None:  # noqa: ARG002 - as in Ledger
        """Return None: there is no index."""
        return None


def check(ledger: Ledger, text: str) -> None:
    """Check that the pages and the groups are those of the plain comparison."""
    plain = Unindexed(ledger.data)
    with ledger.snapshot():
        _check(ledger, plain, text)


def _check(ledger: Ledger, plain: Ledger, text: str) -> None:
    for selected in (JobFilter("run-1", text=text), JobFilter(text=text), JobFilter("run-3", text=text)):
        assert job_groups(ledger, selected) == job_groups(plain, selected)
        expected = job_page(plain, selected)
        assert job_page(ledger, selected) == expected
        if expected and expected[0].recorded_at:
            after = expected[0].cursor
            assert job_page(ledger, selected, after, 2) == job_page(plain, selected, after, 2)


@given(urls=st.lists(TEXTS, min_size=1, max_size=6), texts=st.lists(TEXTS, max_size=6))
@example(urls=['x%_"\\', "X%_'"], texts=['%_"', "x%_", "_\\", "%", '"'])
@example(urls=["abcd", "bcdabc"], texts=["abcd", "cdab", "bcda", "job-1", "JOB-1", "job"])
@settings(max_examples=15, deadline=None)
def test_text_is_found_as_by_comparing_each_url(urls: list[str], texts: list[str]) -> None:
    """Whatever the text, in each case and of each length, the answer is that of LIKE over all URLs."""
    with ledger_with(urls) as ledger:
        for text in [*texts, *(url[1:-1] for url in urls), *(url.upper() for url in urls)]:
            check(ledger, text)


def test_changed_url_is_found_under_its_last_text(ledger: Ledger) -> None:
    """A job whose URL is another one after a further message is found under this one alone."""
    record(ledger, [row("a", "https://old.example/", "run-1"), job_row("b")])
    assert [found.job_id for found in job_page(ledger, JobFilter("run-1", text="old.ex"))] == ["a"]
    record(ledger, [replace(row("a", "https://overwritten.example/", "run-1"), message_id="later")])
    assert job_page(ledger, JobFilter("run-1", text="old.ex")) == []
    assert [found.job_id for found in job_page(ledger, JobFilter("run-1", text="written"))] == ["a"]
    assert ledger.rows_with_text("run-1", "old.ex") == []


def test_index_is_used_for_a_text_of_three_characters(ledger: Ledger) -> None:
    """The index answers for a rare text; for a short one, or one with many rows, it has no answer."""
    if not url_search.has_trigrams():
        pytest.skip("Python's SQLite has no FTS5 with trigrams")
    record(ledger, [job_row("a"), job_row("b", run="run-2")])
    assert len(ledger.rows_with_text("run-1", "SHOP.example") or []) == 1
    assert len(ledger.rows_with_text("", "shop") or []) == 2
    assert ledger.rows_with_text("run-3", "shop") == []
    assert ledger.rows_with_text("run-1", "sh") is None


def test_text_with_many_rows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """If more rows have the text than the index returns, the answer is the same."""
    with ledger_with(["shop/1", "shop/2", "shop/3", "other"]) as ledger:
        monkeypatch.setattr(url_search, "MAX_ROWS", 2)
        assert ledger.rows_with_text("run-1", "shop") is None
        assert len(ledger.rows_with_text("run-1", "other") or []) == 1
        check(ledger, "shop")


def test_text_is_found_without_trigrams(monkeypatch: pytest.MonkeyPatch) -> None:
    """If Python's SQLite has no FTS5, the summary has no index of URLs, and the answer is the same."""
    monkeypatch.setattr(url_search, "has_trigrams", lambda: False)
    with ledger_with(["shop/1", "shop/2"]) as ledger:
        assert ledger.rows_with_text("run-1", "shop") is None
        assert len(job_page(ledger, JobFilter("run-1", text="SHOP/2"))) == 1
        check(ledger, "shop")
    monkeypatch.undo()


def test_summary_is_made_again_when_trigrams_become_available(monkeypatch: pytest.MonkeyPatch) -> None:
    """A summary that was made without the index is made again by a Python whose SQLite has FTS5."""
    if not url_search.has_trigrams():
        pytest.skip("Python's SQLite has no FTS5 with trigrams")
    with ledger_with(["shop/1", "other"]) as ledger:
        with monkeypatch.context() as patch:
            patch.setattr(url_search, "has_trigrams", lambda: False)
            assert len(job_page(ledger, JobFilter("run-1", text="shop"))) == 1
        assert len(ledger.rows_with_text("run-1", "shop") or []) == 1
        with monkeypatch.context() as patch:
            patch.setattr(url_search, "has_trigrams", lambda: False)
            assert len(job_page(ledger, JobFilter("run-1", text="shop"))) == 1
        assert Cursor("", "") < job_page(ledger, JobFilter("run-1", text="shop"))[0].cursor
