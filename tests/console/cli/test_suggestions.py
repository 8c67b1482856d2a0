"""Tests that an unknown name is answered with a similar one: of runs, fields, keys, files and options."""

from pathlib import Path
from typing import Final

import pytest

from console.ledger.ledger import Ledger
from console.suggestion import did_you_mean
from tests.console.command import Scrapeq
from tests.console.ledger.rows import dead_letter_row, job_row, outcome_row, record

CRAWL: Final = """\
name: books
sources: {urls: ["https://shop.example/good"]}
recipe: {name: book, fields: {title: {css: h1}}}
"""


@pytest.fixture
def folder(ledger: Ledger, tmp_path: Path) -> Path:
    """Return a data directory with a run, a crawl, and a crawl with misspelt names."""
    run = "books-2026-11-30T22:55:51.690Z"
    record(
        ledger,
        [
            *(job_row(name, run=run) for name in ("good", "bad", "open")),
            outcome_row("good", 1, run=run, items=[{"title": "Faust", "price": 9.5}]),
            outcome_row("bad", 2, run=run, reason="missing_field"),
            dead_letter_row("bad", 3, run=run),
        ],
    )
    (tmp_path / "crawl.yaml").write_text(CRAWL)
    (tmp_path / "key.yaml").write_text(CRAWL + "politness: {delay_seconds: 1}\n")
    (tmp_path / "type.yaml").write_text(CRAWL.replace("css: h1", "css: h1, type: numbr"))
    return tmp_path


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("status books-2026 --data {}", "Did you mean books-2026-11-30T22:55:51.690Z?"),
        ("status boks-2026-11-30T22:55:51.690 --data {}", "Did you mean books-2026-11-30T22:55:51.690Z?"),
        ("results --fields title,prise --data {}", "has a field 'prise'. Did you mean price?"),
        ("results --fields prise --json --data {}", "Did you mean price? The fields are price, title."),
        ("dead replay --failed-field prise --recipe {}/crawl.yaml --yes --data {}", "Did you mean price?"),
        ("dead list --where reson=timeout --data {}", "no key 'reson'. Did you mean reason?"),
        ("dead list --where reason=timeuot --data {}", "Did you mean timeout?"),
        ("dead list --where cause=pages --data {}", "Did you mean page?"),
        ("plan {}/key.yaml --data {}", "key.yaml:4: politness: there is no such field; did you mean politen"),
        ("plan {}/type.yaml --data {}", "; did you mean number?"),
        ("plan {}/crawl.yml --data {}", "No such file or directory. Did you mean crawl.yaml?"),
        ("runs --limt 5 --data {}", "No such option: --limt (Possible options: --limit)"),
        ("cancel --data {}", "Name the run. Running: books-2026-11-30T22:55:51.690Z (1 in flight)."),
        ("rums --data {}", "Did you mean 'runs'"),
    ],
)
def test_an_unknown_name_is_answered_with_a_similar_one(
    scrapeq: Scrapeq, folder: Path, command: str, answer: str
) -> None:
    """The command ends with 1 or 2, prints nothing to standard output, and suggests what was meant."""
    done = scrapeq(*command.replace("{}", str(folder)).split())
    assert answer in done.stderr, done.stderr
    assert done.exit_code in {1, 2}
    assert not done.stdout


def test_suggestion_prefers_what_was_begun_and_is_silent_otherwise() -> None:
    """A name that begins with the given text is nearer than a similar one, and a distant one is not meant."""
    assert did_you_mean("book", ["boot", "books-2026-11-30"]) == " Did you mean books-2026-11-30?"
    assert did_you_mean("bok", ["boot", "book"]) == " Did you mean book?"
    assert did_you_mean("", ["book"]) == did_you_mean("xyz", ["book"]) == ""
