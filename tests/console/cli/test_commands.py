"""The commands that read the ledger, as an operator sees them."""

import json
import re
from pathlib import Path

import pytest

from console.ledger.ledger import Ledger
from contract.outcome import Reason
from tests.console.command import Scrapeq
from tests.console.ledger.rows import dead_letter_row, job_row, outcome_row, record

COMMANDS = ["up", "demo", "dispatch", "try", "results", "status", "dead", "replay", "reasons", "recipe"]


@pytest.fixture
def recorded(ledger: Ledger) -> Ledger:
    """Return a ledger of one run: a success at the second attempt, a dead letter, and a silent one."""
    book = {"title": "Wörter", "price": 9.5, "tags": ["a"], "note": None}
    record(
        ledger,
        [
            *(job_row(name, run="books-1") for name in ("good", "bad", "silent")),
            outcome_row("good", 1, run="books-1", attempt=1, reason="timeout"),
            outcome_row("good", 2, run="books-1", attempt=2, items=[book]),
            outcome_row("bad", 3, run="books-1", attempt=5, reason="missing_field", detail="no h1"),
            dead_letter_row("bad", 4, run="books-1"),
            dead_letter_row("silent", 5, run="books-1"),
        ],
    )
    return ledger


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(scrapeq: Scrapeq, command: str) -> None:
    """`--help` says what a command does and what each option is for."""
    answer = scrapeq(command, "--help")
    assert answer.exit_code == 0
    options = re.findall(r"^  (--[a-z-]+)(.*(?:\n {10,}.*)*)", answer.stdout, re.MULTILINE)
    assert all(re.search(r"[a-z]{3,}.*\.", text) for _, text in options), answer.stdout


def test_the_help_lists_every_command(scrapeq: Scrapeq) -> None:
    """`scrapeq --help` is the list of what there is."""
    listed = re.findall(r"^  ([a-z]+) {2,}[A-Z]", scrapeq("--help").stdout, re.MULTILINE)
    assert listed == COMMANDS


def test_results_are_a_table(scrapeq: Scrapeq, recorded: Ledger) -> None:
    """One row for each job that succeeded: where, what, and at which attempt."""
    answer = scrapeq("results", "--data", recorded.data)
    assert answer.exit_code == 0
    assert "run books-1: 1 jobs succeeded" in answer.stdout
    assert re.search(r"/good +Wörter · 9\.5 +2 *$", answer.stdout, re.MULTILINE)


def test_results_as_json_lines_are_for_other_programs(scrapeq: Scrapeq, recorded: Ledger) -> None:
    """With --format jsonl, standard output holds nothing but one JSON object for each item."""
    answer = scrapeq("results", "books-1", "--format", "jsonl", "--data", recorded.data)
    (item,) = [json.loads(line) for line in answer.stdout.splitlines()]
    assert item == {
        "url": "https://shop.example/good",
        "job_id": "good",
        "run_id": "books-1",
        "fields": {"title": "Wörter", "price": 9.5, "tags": ["a"], "note": None},
    }


def test_status_ends_with_the_accounting(scrapeq: Scrapeq, recorded: Ledger) -> None:
    """The last line is the equation; above it stands why attempts did not succeed."""
    answer = scrapeq("status", "--data", recorded.data)
    assert answer.stdout.splitlines()[-1] == "accounting: dispatched=3 succeeded=1 dead=2 in_flight=0"
    assert re.search(r"timeout +retry +1 +1 +the site did not respond in time", answer.stdout)


def test_dead_letters_say_why_and_what_to_do(scrapeq: Scrapeq, recorded: Ledger) -> None:
    """Each dead letter has its attempts, its last reason in words, and a remedy."""
    answer = scrapeq("dead", "--data", recorded.data)
    assert answer.stdout.splitlines() == [
        "run books-1: 2 dead letters",
        "https://shop.example/bad",
        "  5 attempts, the last: missing_field (a required field is not on the page)",
        "  detail: no h1",
        "  what to do: fix the recipe, then replay",
        "https://shop.example/silent",
        "  5 attempts: never reached a worker that could speak (capacity, crash, kill)",
        "  what to do: look at the worker's log, then replay",
    ]


def test_reasons_explains_every_code(scrapeq: Scrapeq) -> None:
    """Every reason code that an outcome, a log line or the ledger can hold is in the table."""
    shown = scrapeq("reasons").stdout
    assert set(re.findall(r"^ ([a-z_0-9]+) {2,}", shown, re.MULTILINE)) >= set(Reason)


@pytest.mark.parametrize("command", ["results", "status", "dead"])
def test_an_unknown_run_is_one_sentence(scrapeq: Scrapeq, recorded: Ledger, command: str) -> None:
    """It names the runs there are, on standard error, so that a pipe gets nothing."""
    answer = scrapeq(command, "nope", "--data", recorded.data)
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr == "There is no run nope. The runs are: books-1.\n"


@pytest.mark.parametrize("command", ["results", "status", "dead"])
def test_no_ledger_is_one_sentence(scrapeq: Scrapeq, tmp_path: Path, command: str) -> None:
    """In a directory without a ledger the sentence says what makes one."""
    answer = scrapeq(command, "--data", tmp_path)
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert "There is no ledger in" in answer.stderr
    assert "`scrapeq up` creates it" in answer.stderr


def test_an_empty_ledger_is_one_sentence(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """Before the first run there is no latest one."""
    answer = scrapeq("status", "--data", ledger.data)
    assert answer.stderr == "No run is recorded yet. `scrapeq dispatch CRAWL.yaml` starts one.\n"


def test_a_faulty_crawl_is_not_sent(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """Status 2 and the faults, before anything listens to them."""
    crawl = tmp_path / "crawl.yaml"
    crawl.write_text("name: Books\n")
    answer = scrapeq("dispatch", crawl)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert re.search(r"crawl\.yaml:1: name: .*\(got 'Books'\)", answer.stderr)
    assert "Traceback" not in answer.stderr


def test_backoffs_that_exclude_each_other_are_refused(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """Pub/Sub refuses a minimum above the maximum; so do we, before anything is started."""
    answer = scrapeq("up", "--minimum-backoff", 20, "--maximum-backoff", 10, "--data", tmp_path / "data")
    assert answer.exit_code == 2
    assert answer.stderr == "--minimum-backoff is above --maximum-backoff; it must not be.\n"
    assert not (tmp_path / "data").exists()


def test_ordered_politeness_without_settling_is_refused(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """Each failed page would hold up its host; that is said before anything is started."""
    answer = scrapeq("up", "--politeness", "ordered", "--data", tmp_path / "data")
    assert answer.exit_code == 2
    assert "--politeness ordered needs --ack-policy settled" in answer.stderr
    assert not (tmp_path / "data").exists()


def test_the_demo_writes_over_nothing(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """--keep takes a new directory: somebody's files stay as they are."""
    (tmp_path / "precious").touch()
    answer = scrapeq("demo", "--keep", tmp_path)
    assert answer.exit_code == 2
    assert "is not empty; --keep takes a new directory." in answer.stderr.replace("\n", " ")
