"""Tests of the subcommands that read the ledger, and of options that are rejected."""

import json
import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from pyarrow import parquet

from console.ledger.ledger import Ledger
from console.report.dead_letters import INFRASTRUCTURE, NO_OUTCOME_REMEDY, WITHOUT_OUTCOME
from contract.dispatch_report import DispatchCounts, DispatchReport, ListedUrl
from contract.outcome import Reason
from contract.reason_meanings import REASON_MEANINGS
from tests.console.command import Scrapeq
from tests.console.full_disk import limited_file_size
from tests.console.ledger.rows import (
    Row,
    dead_letter_row,
    end_row,
    job_row,
    outcome_row,
    record,
    shard_row,
)

FETCHED_AT = "2026-11-22T06:00:03.120000Z"
COMMANDS = [
    "up",
    "down",
    "logs",
    "demo",
    "console",
    "ledger",
    "plan",
    "dispatch",
    "wait",
    "cancel",
    "pause",
    "resume",
    "init",
    "shell",
    "try",
    "runs",
    "status",
    "job",
    "results",
    "report",
    "bill",
    "acts",
    "reasons",
    "recipe",
    "dead",
]


@pytest.fixture
def recorded(ledger: Ledger) -> Ledger:
    """Return a ledger with a success at the second attempt and two dead letters, one without a reason."""
    book = {"title": "Wörter", "price": 9.5, "tags": ["a"], "note": None}
    record(
        ledger,
        [
            *(job_row(name, run="books-1") for name in ("good", "bad", "silent")),
            outcome_row("good", 1, run="books-1", attempt=1, reason="timeout"),
            outcome_row("good", 2, run="books-1", attempt=2, items=[book], fetched_at=FETCHED_AT),
            *(
                outcome_row("bad", 3, run="books-1", attempt=n, reason="missing_field", detail="no h1")
                for n in range(1, 6)
            ),
            dead_letter_row("bad", 4, run="books-1"),
            dead_letter_row("silent", 5, run="books-1"),
        ],
    )
    return ledger


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_command(scrapeq: Scrapeq, command: str) -> None:
    """`--help` of every command has a sentence for each option."""
    result = scrapeq(command, "--help")
    assert result.exit_code == 0
    options = re.findall(r"^  (--[a-z-]+)(.*(?:\n {10,}.*)*)", result.stdout, re.MULTILINE)
    assert all(re.search(r"[a-z]{3,}.*\.", text) for _, text in options), result.stdout


def test_help_lists_every_command(scrapeq: Scrapeq) -> None:
    """`scrapeq --help` lists all commands in their order."""
    listed = re.findall(r"^  ([a-z]+) {2,}[A-Z]", scrapeq("--help").stdout, re.MULTILINE)
    assert listed == COMMANDS


def test_version_is_that_of_the_distribution(scrapeq: Scrapeq) -> None:
    """`scrapeq --version` prints the name and the version, and nothing else."""
    result = scrapeq("--version")
    assert (result.exit_code, result.stdout) == (0, f"scrapeq {metadata.version('scrapeq')}\n")


def test_short_help_option_is_that_of_the_long_one(scrapeq: Scrapeq) -> None:
    """-h prints the help of `scrapeq` and of a subcommand."""
    assert scrapeq("-h").stdout == scrapeq("--help").stdout
    assert scrapeq("job", "-h").stdout == scrapeq("job", "--help").stdout


def test_similar_run_is_suggested(scrapeq: Scrapeq, recorded: Ledger) -> None:
    """If no run has the id, the message names the most similar one."""
    result = scrapeq("status", "books1", "--data", recorded.data)
    assert result.stderr == "There is no run books1. Did you mean books-1? The runs are: books-1.\n"


def test_results_are_shown_as_a_table(scrapeq: Scrapeq, recorded: Ledger) -> None:
    """`scrapeq results` prints a row for each job that succeeded: URL, values, and number of attempts."""
    result = scrapeq("results", "--data", recorded.data)
    assert result.exit_code == 0
    assert "run books-1: 1 jobs succeeded" in result.stdout
    assert re.search(r"/good +Wörter · 9\.5 +2 *$", result.stdout, re.MULTILINE)


def test_results_as_jsonl_have_one_object_for_each_item(scrapeq: Scrapeq, recorded: Ledger) -> None:
    """With --format jsonl, standard output contains one JSON object for each item and no other lines."""
    result = scrapeq("results", "books-1", "--format", "jsonl", "--data", recorded.data)
    (item,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert item == {
        "url": "https://shop.example/good",
        "page": 1,
        "listing": "",
        "job_id": "good",
        "run_id": "books-1",
        "fetched_at": FETCHED_AT,
        "fields": {"title": "Wörter", "price": 9.5, "tags": ["a"], "note": None},
    }


def test_results_are_written_to_a_file_as_csv(scrapeq: Scrapeq, recorded: Ledger, tmp_path: Path) -> None:
    """The file has a header and a line for each item, with the chosen fields; the screen says how many."""
    file = tmp_path / "items.csv"
    options = ("--format", "csv", "--output", file, "--fields", "title, tags", "--limit", "5")
    result = scrapeq("results", *options, "--data", recorded.data)
    assert (result.exit_code, result.stdout) == (0, f"1 items written to {file}\n")
    header, line = file.read_text(encoding="utf-8").splitlines()
    assert header == "url,page,listing,job_id,run_id,fetched_at,title,tags"
    assert line.endswith('Wörter,"[""a""]"')


def test_results_that_cannot_be_written_keep_the_file_of_before(
    scrapeq: Scrapeq, recorded: Ledger, tmp_path: Path
) -> None:
    """If the directory does not exist, the command says so; a full disk leaves an existing file as it is."""
    missing = tmp_path / "missing" / "items.csv"
    result = scrapeq("results", "--format", "csv", "--output", missing, "--data", recorded.data)
    assert (result.exit_code, result.stderr) == (
        2,
        f"{missing} cannot be written: No such file or directory.\n",
    )
    existing = tmp_path / "items.jsonl"
    existing.write_text("before")
    record(recorded, [outcome_row("long", 9, run="books-1", items=[{"text": "x" * 200_000}])])
    with limited_file_size(150_000):
        result = scrapeq("results", "--format", "jsonl", "--output", existing, "--data", recorded.data)
    assert (result.exit_code, result.stderr) == (2, f"{existing} cannot be written: File too large.\n")
    assert existing.read_text() == "before"
    assert list(tmp_path.glob(".items*")) == []


def test_results_are_written_as_parquet(scrapeq: Scrapeq, recorded: Ledger, tmp_path: Path) -> None:
    """Another program reads the columns with their types; a field of several types is named on the screen."""
    record(recorded, [outcome_row("other", 9, run="books-1", items=[{"price": "free"}])])
    file = tmp_path / "items.parquet"
    result = scrapeq("results", "--format", "parquet", "--output", file, "--data", recorded.data)
    assert result.exit_code == 0
    assert "price has objects or values of several types, and is written as JSON in a text." in result.stdout
    table = parquet.read_table(file)
    assert table.column("title").to_pylist() == ["Wörter", None]
    assert table.column("price").to_pylist() == ["9.5", '"free"']
    assert table.column("run_id").to_pylist() == ["books-1"] * 2


@pytest.mark.parametrize("option", [("--output", "x.csv"), ("--format", "parquet")])
def test_file_needs_a_format_and_parquet_needs_a_file(
    scrapeq: Scrapeq, recorded: Ledger, option: tuple[str, str]
) -> None:
    """A table is not written to a file, and Parquet is not written to the screen."""
    result = scrapeq("results", *option, "--data", recorded.data)
    assert result.exit_code == 2
    assert "--output" in result.stderr
    assert "--format parquet" in result.stderr


def test_table_of_results_has_a_limit_and_chosen_fields(scrapeq: Scrapeq, recorded: Ledger) -> None:
    """With --limit and --fields, a table shows these fields of the first pages, and says so."""
    record(recorded, [outcome_row("other", 9, run="books-1", items=[{"price": 5}])])
    result = scrapeq("results", "--limit", "1", "--fields", "price", "--data", recorded.data)
    assert "run books-1: 2 jobs succeeded" in result.stdout
    assert re.search(r"/good +9\.5 +2 *$", result.stdout, re.MULTILINE)
    assert "/other" not in result.stdout
    assert "The first 1 page is shown" in result.stdout


def test_results_show_a_listing_as_one_row_and_where_it_broke_off(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """The pages of a listing are one row, its items have their own page, and a missing page is reported."""
    url = "https://shop.example/next"

    def page(number: int, job: str, reason: str = "ok", items: int = 0) -> Row:
        found: list[dict[str, object]] = [{"n": n} for n in range(items)]
        return outcome_row(
            job, number, reason=reason, items=found, page=number, listing="first", next_url=url
        )

    record(
        ledger,
        [
            *(job_row(name) for name in ("first", "a-second", "third", "single")),
            page(1, "first", items=2),
            page(2, "a-second", items=1),
            page(3, "third", reason="http_5xx"),
            dead_letter_row("third", 4, deliveries=1),
            outcome_row("single", 3, items=[{"n": 9}]),
        ],
    )
    shown = scrapeq("results", "--data", ledger.data).stdout
    assert re.search(r"/first +3 items from 2 pages: 0 +2 *$", shown, re.MULTILINE)
    assert re.search(r"/single +9 +1 *$", shown, re.MULTILINE)
    meaning = REASON_MEANINGS[Reason.HTTP_5XX].sentence
    assert f"/first: broke off at page 3, http_5xx ({meaning})\n" in shown
    lines = scrapeq("results", "--format", "jsonl", "--data", ledger.data).stdout.splitlines()
    items = [json.loads(line) for line in lines]
    assert [(item["url"].rpartition("/")[2], item["page"], item["listing"]) for item in items] == [
        *[("first", 1, "first")] * 2,
        ("a-second", 2, "first"),
        ("single", 1, ""),
    ]


def test_status_ends_with_the_accounting(scrapeq: Scrapeq, recorded: Ledger) -> None:
    """`scrapeq status` prints the reasons of unsuccessful attempts, and the accounting as the last line."""
    result = scrapeq("status", "--data", recorded.data)
    assert result.stdout.splitlines()[-1] == (
        "accounting: dispatched=3 succeeded=1 dead=2 in_flight=0 (1 of the dead by infrastructure)"
    )
    assert re.search(rf"timeout +retry +1 +1 +{REASON_MEANINGS[Reason.TIMEOUT].sentence[:20]}", result.stdout)


@pytest.mark.parametrize(
    ("last", "state"),
    [
        (lambda report: shard_row(4, 9, report, run="books-1"), "continues (3 requests"),
        (lambda report: end_row(4, 9, report, run="books-1"), "complete (4 requests"),
    ],
    ids=["shard", "end record"],
)
def test_status_shows_whether_the_dispatch_is_complete_and_what_was_rejected(
    scrapeq: Scrapeq, recorded: Ledger, last: Callable[[DispatchReport], Row], state: str
) -> None:
    """`scrapeq status` has a line with the counts of all requests, and lists the rejected and unread."""
    report = DispatchReport(
        counts=DispatchCounts(published=3, rejected=1, unread=1),
        rejected=(ListedUrl(url="nonsense", why="line 1049: there is no host"),),
        unread=(ListedUrl(url="https://shop.example/s.xml", why="the site answered 404"),),
    )
    record(recorded, [shard_row(2, 8, DispatchReport(), run="books-1"), last(report)])
    lines = scrapeq("status", "--data", recorded.data).stdout.splitlines()
    assert f"dispatch: {state}, 3 jobs published, 1 rejected, 1 not read completely)" in lines
    shown = " ".join(" ".join(lines).split())
    assert "nonsense line 1049: there is no host" in shown
    assert "https://shop.example/s.xml the site answered 404" in shown
    assert lines[-1].startswith("accounting: dispatched=3")


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([job_row("a"), outcome_row("a", 1)], 0),
        ([job_row("a"), dead_letter_row("a", 1), job_row("b"), outcome_row("b", 2)], 3),
        ([job_row("a"), outcome_row("a", 1), outcome_row("lost", 2)], 1),
        ([job_row("a"), job_row("b"), outcome_row("b", 1)], 124),
        ([job_row("a"), outcome_row("a", 1), shard_row(2, 2, DispatchReport())], 124),
    ],
    ids=["all succeeded", "one is dead", "one is missing", "one is in flight", "the dispatch continues"],
)
def test_wait_tells_by_its_exit_status_how_a_run_has_ended(
    scrapeq: Scrapeq, ledger: Ledger, rows: list[Row], status: int
) -> None:
    """Each end of a run, and of the time, has its own exit status; the last line is the accounting."""
    record(ledger, rows)
    result = scrapeq("wait", "--timeout", "0", "--data", ledger.data)
    assert result.exit_code == status
    assert result.stdout.startswith("run run-1\n")
    assert result.stdout.splitlines()[-1] == str(ledger.accounting("run-1"))


def test_dead_list_shows_the_reason_and_advice_of_each_group(scrapeq: Scrapeq, recorded: Ledger) -> None:
    """`scrapeq dead list` prints for each reason its meaning, what to do, the command, and the jobs."""
    meaning = REASON_MEANINGS[Reason.MISSING_FIELD]
    result = scrapeq("dead", "list", "--data", recorded.data)
    where = "--where 'reason=missing_field cause=page'"
    assert result.stdout.splitlines() == [
        "run books-1: 2 dead letters",
        "",
        "missing_field: 1 dead letter",
        f"  {meaning.sentence}",
        f"  what to do: {meaning.remedy}",
        f"  command: scrapeq dead replay --recipe CRAWL.yaml books-1 --data {recorded.data} {where}",
        "  bad  5 attempts  https://shop.example/bad",
        "    no h1",
        "",
        f"by infrastructure: 1 dead letter. {INFRASTRUCTURE}",
        f"  to replay just these: scrapeq dead replay books-1 --data {recorded.data} --infrastructure",
        "",
        "no_outcome: 1 dead letter",
        f"  the attempts ended {WITHOUT_OUTCOME}",
        f"  what to do: {NO_OUTCOME_REMEDY}",
        "  silent  5 attempts  https://shop.example/silent",
    ]


def test_reasons_explains_every_reason_code(scrapeq: Scrapeq) -> None:
    """`scrapeq reasons` prints a row for every reason code."""
    shown = scrapeq("reasons").stdout
    assert set(re.findall(r"^ ([a-z_0-9]+) {2,}", shown, re.MULTILINE)) >= set(Reason)


@pytest.mark.parametrize("command", [["results"], ["status"], ["dead", "list"]])
def test_unknown_run_is_reported_on_standard_error(
    scrapeq: Scrapeq, recorded: Ledger, command: list[str]
) -> None:
    """For an unknown run_id, standard error lists the runs that exist, and standard output stays empty."""
    result = scrapeq(*command, "nope", "--data", recorded.data)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "There is no run nope. The runs are: books-1.\n"


@pytest.mark.parametrize("command", [["results"], ["status"], ["dead", "list"]])
def test_missing_ledger_is_reported_on_standard_error(
    scrapeq: Scrapeq, tmp_path: Path, command: list[str]
) -> None:
    """If there is no ledger, the message shows the command that creates one."""
    result = scrapeq(*command, "--data", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is no ledger in" in result.stderr
    assert "`scrapeq up` creates it" in result.stderr


def test_empty_ledger_is_reported_on_standard_error(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """If the ledger contains no run, the message shows the command that starts one."""
    result = scrapeq("status", "--data", ledger.data)
    assert result.stderr == "No run is recorded yet. `scrapeq dispatch CRAWL.yaml` starts one.\n"


def test_faulty_crawl_is_not_dispatched(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """For a crawl with faults, the command prints the faults and exits with status 2, without a request."""
    crawl = tmp_path / "crawl.yaml"
    crawl.write_text("name: Books\n")
    result = scrapeq("dispatch", crawl)
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.search(r"crawl\.yaml:1: name: .*\(got 'Books'\)", result.stderr)
    assert "Traceback" not in result.stderr


def test_minimum_backoff_above_the_maximum_is_refused(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """`scrapeq up` rejects a minimum backoff above the maximum, as Pub/Sub would, and starts nothing."""
    result = scrapeq("up", "--minimum-backoff", 20, "--maximum-backoff", 10, "--data", tmp_path / "data")
    assert result.exit_code == 2
    assert result.stderr == "--minimum-backoff must not be greater than --maximum-backoff.\n"
    assert not (tmp_path / "data").exists()


def test_demo_refuses_to_keep_its_data_in_a_used_directory(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """`scrapeq demo --keep` rejects a directory that contains files, so that no file is overwritten."""
    (tmp_path / "precious").touch()
    result = scrapeq("demo", "--keep", tmp_path)
    assert result.exit_code == 2
    assert "is not empty; --keep takes a new directory." in result.stderr.replace("\n", " ")
