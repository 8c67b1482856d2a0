"""Tests of the subcommands `runs` and `job`, on ledgers whose rows may be repeated and in any order."""

import json
import random
import re
from dataclasses import replace

import pytest

from console.ledger.ledger import Ledger
from contract.dispatch_report import DispatchCounts, DispatchReport
from contract.outcome import Reason
from contract.reason_meanings import REASON_MEANINGS
from tests.console.command import Scrapeq
from tests.console.ledger.rows import (
    Row,
    dead_letter_row,
    end_row,
    job_row,
    outcome_row,
    publish_time,
    record,
    shard_row,
    worker_dead_letter_row,
)


def with_defers(row: Row, defers: int, not_before: float) -> Row:
    """Return the row of a job that a worker has published again."""
    document = json.loads(row.data) | {"defers": defers, "not_before": publish_time(not_before)}
    return replace(row, data=json.dumps(document).encode())


def relay_dead_letter_row(job: str, second: float, reason: str) -> Row:
    """Return a dead letter of a relay: it has the number of deliveries, and the reason of the last one."""
    row = dead_letter_row(job, second)
    return replace(row, attributes={**row.attributes, "reason": reason})


def dead_and_replayed() -> list[Row]:
    """Return the rows of a job that failed twice, became a dead letter, was replayed and succeeded."""
    return [
        job_row("a"),
        outcome_row("a", 1, reason="timeout", detail="no response", total_seconds=40.5, waited_seconds=0.5),
        outcome_row("a", 2, attempt=2, reason="http_5xx", http_status=503, worker="local/1"),
        dead_letter_row("a", 3),
        job_row("a", 4),
        outcome_row("a", 5, items=[{"title": "Dune"}], http_status=200, body_bytes=51230),
    ]


def events(scrapeq: Scrapeq, ledger: Ledger, *job: str) -> list[tuple[str, str]]:
    """Return the kind of each event of a job, with why it was published or how it ended."""
    result = scrapeq("job", *job, "--json", "--data", ledger.data)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["events"]
    return [(each["event"], each.get("why") or each.get("reason")) for each in found]


@pytest.mark.parametrize("seed", range(5))
def test_job_shows_its_whole_life_in_the_order_of_time(scrapeq: Scrapeq, ledger: Ledger, seed: int) -> None:
    """Dispatch, attempts, dead letter, replay and items are shown once, whatever the order of the rows."""
    rows = dead_and_replayed() * 2
    random.Random(seed).shuffle(rows)
    record(ledger, rows)
    result = scrapeq("job", "a", "--data", ledger.data)
    lines = [line.strip() for line in result.stdout.splitlines()]
    times = [publish_time(second)[:19].replace("T", " ") for second in range(6)]
    assert lines == [
        "https://shop.example/a",
        "job a of run run-1",
        "has succeeded",
        f"{times[0]}  dispatched",
        f"{times[1]}  attempt 1: timeout, 40.5 s (0.5 s of them waiting)",
        "no response",
        f"{times[2]}  attempt 2: http_5xx, HTTP 503, 0.0 s, local/1",
        REASON_MEANINGS[Reason.HTTP_5XX].sentence,
        f"{times[3]}  dead letter after 5 deliveries",
        f"{times[4]}  replayed",
        f"{times[5]}  attempt 1: ok, HTTP 200, 51,230 bytes, 1 item, 0.0 s",
        'item: {"title": "Dune"}',
    ]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (dead_letter_row("a", 3), "dead letter after 5 deliveries"),
        (worker_dead_letter_row("a", 3, "http_404"), "dead letter: http_404"),
        (relay_dead_letter_row("a", 3, "http_5xx"), "dead letter after 5 deliveries: http_5xx"),
    ],
    ids=["of Pub/Sub", "of a worker", "of a relay"],
)
def test_job_says_why_it_is_a_dead_letter(scrapeq: Scrapeq, ledger: Ledger, row: Row, sentence: str) -> None:
    """`job` and `dead show` have the deliveries that were counted, and the reason, if there is one."""
    record(ledger, [job_row("a"), outcome_row("a", 1, reason="http_5xx"), row])
    for command in (("job",), ("dead", "show")):
        lines = scrapeq(*command, "a", "--data", ledger.data).stdout.splitlines()
        assert [line[23:] for line in lines if line[23:].startswith("dead letter")] == [sentence]


def test_job_is_found_by_its_url(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """A URL may be written in another way: upper case host, a default port."""
    record(ledger, dead_and_replayed())
    assert len(events(scrapeq, ledger, "HTTPS://SHOP.example:443/a")) == 6


def test_job_says_why_each_message_was_published(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """A deferral, a repeated trigger and a replay after the worker's own dead letter are told apart."""
    record(
        ledger,
        [
            job_row("a"),
            with_defers(job_row("a", 2), 1, 60),
            job_row("a", 61),
            worker_dead_letter_row("a", 62),
            job_row("a", 63),
        ],
    )
    assert events(scrapeq, ledger, "a") == [
        ("published", "dispatched"),
        ("published", "deferred"),
        ("published", "dispatched again"),
        ("deadlettered", "http_404"),
        ("published", "replayed"),
    ]


def test_dead_job_is_shown_with_what_to_do(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """The last line of a dead job is the remedy of its last reason, as `scrapeq dead` shows it."""
    record(ledger, [job_row("a"), outcome_row("a", 1, reason="missing_field"), dead_letter_row("a", 2)])
    lines = scrapeq("job", "a", "--data", ledger.data).stdout.splitlines()
    assert lines[2].strip() == "is a dead letter"
    assert lines[-1].strip() == f"what to do: {REASON_MEANINGS[Reason.MISSING_FIELD].remedy}"


def test_job_of_the_latest_run_is_shown_unless_another_is_named(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """A URL that several runs have is shown for the latest one, or for the one of --run."""
    record(ledger, [job_row("a", run="old"), outcome_row("a", 1, run="old"), job_row("a", 9, run="new")])
    assert events(scrapeq, ledger, "a") == [("published", "dispatched")]
    assert len(events(scrapeq, ledger, "a", "--run", "old")) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("b",), "The ledger has no job with this id or URL: b\n"),
        (("b", "--run", "run-1"), "Run run-1 has no job with this id or URL: b\n"),
        (("a", "--run", "x"), "There is no run x. The runs are: run-1.\n"),
    ],
)
def test_job_that_does_not_exist_is_reported(
    scrapeq: Scrapeq, ledger: Ledger, arguments: tuple[str, ...], message: str
) -> None:
    """The message says what was looked for, and where."""
    record(ledger, dead_and_replayed())
    result = scrapeq("job", *arguments, "--data", ledger.data)
    assert (result.exit_code, result.stderr) == (1, message)


def test_text_of_a_page_cannot_control_the_terminal(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """Escape sequences in details, workers and items are shown as text."""
    hostile = "\x1b[2Jx\u202e"
    record(
        ledger, [job_row("a"), outcome_row("a", 1, items=[{"t": hostile}], detail=hostile, worker=hostile)]
    )
    for option in ([], ["--json"]):
        shown = scrapeq("job", "a", *option, "--data", ledger.data).stdout
        assert "\x1b" not in shown
        assert "\u202e" not in shown


def test_runs_are_listed_with_the_numbers_of_their_jobs(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """The newest run is first; one whose dispatch continues and one that does not add up are marked."""
    report = DispatchReport(counts=DispatchCounts(published=1))
    record(
        ledger,
        [
            *dead_and_replayed(),
            job_row("b", 10, run="run-2"),
            shard_row(2, 11, report, run="run-2"),
            outcome_row("c", 20, run="run-3"),
            end_row(1, 21, report, run="run-3"),
        ],
    )
    result = scrapeq("runs", "--data", ledger.data)
    shown = re.sub(r"\d+ (min|h)\b", "AGE", result.stdout)
    assert [line.split() for line in shown.splitlines() if "run-" in line] == [
        ["run-3", "!", "AGE", "0", "1", "0", "0", "1"],
        ["run-2", "AGE", "1", "…", "0", "0", "1", "0"],
        ["run-1", "AGE", "1", "1", "0", "0", "0"],
    ]
    newest = json.loads(scrapeq("runs", "--limit", "1", "--json", "--data", ledger.data).stdout)
    assert (newest["run_id"], newest["missing"], newest["adds_up"]) == ("run-3", 1, False)


def test_runs_of_an_empty_ledger_say_how_to_start_one(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """Without a run the command fails, and names the command that starts one."""
    result = scrapeq("runs", "--data", ledger.data)
    assert (result.exit_code, "scrapeq dispatch CRAWL.yaml" in result.stderr) == (1, True)


def test_status_lists_the_jobs_that_are_being_retried(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """A job that failed and is in flight is listed with its reason; its backoff of an hour ago is over."""
    record(ledger, [job_row("a"), outcome_row("a", 1, reason="timeout"), job_row("b")])
    words = scrapeq("status", "--data", ledger.data).stdout.split()
    start = words.index("https://shop.example/a")
    assert words[start : start + 5] == ["https://shop.example/a", "1", "timeout", "any", "moment"]
    assert "https://shop.example/b" not in words
