"""Tests of what `scrapeq status` shows of a run."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from console.cli import status_command
from console.dispatch_response import DispatchResponse
from console.ledger.field_rows import Complaint, FieldRow
from console.ledger.host_rows import HostRow
from console.ledger.ledger import Accounting, Ledger
from console.ledger.run_overview import RunOverview
from console.report.follow import Follower, describe_stack
from console.report.run_status import (
    complaint_lines,
    fields_table,
    hosts_table,
    percent,
    progress_lines,
    read_status,
    status_json,
    status_parts,
)
from console.stack.services import DeliveryPolicy
from console.stack.stack_file import lock_data_directory
from console.terminal import TextTable
from scripts.demo_picture import recording_terminal
from tests.console.command import Scrapeq
from tests.console.ledger.rows import Row, dead_letter_row, job_row, outcome_row, record

WARNING = "price: null in 1 of 1, because nothing matches .price"


def rows() -> list[Row]:
    """Return a run with a success without a price, a retry, a silent dead letter and a queued job."""
    items: list[dict[str, object]] = [{"title": "A", "price": None}]
    return [
        *(job_row(name) for name in ("good", "tried", "silent", "queued")),
        outcome_row("good", 2, items=items, detail=WARNING),
        outcome_row("tried", 3, reason="http_5xx"),
        dead_letter_row("silent", 4, deliveries=5),
    ]


def overview(**values: Any) -> RunOverview:  # noqa: ANN401 - values of all its fields
    """Return an overview with some values."""
    empty = RunOverview("run-1", Accounting(), None, [], None, None, 0, 0.0, None, 0)
    return empty._replace(**values)


def cells(table: TextTable) -> list[tuple[str, ...]]:
    """Return the rows of a table."""
    return list(zip(*(tuple(map(str, column.cells)) for column in table.columns), strict=True))


def test_status_shows_rates_fields_complaints_and_silent_attempts(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """`scrapeq status` shows how far the run is, its fields, what pages lacked, and silent attempts."""
    record(ledger, rows())
    shown = scrapeq("status", "--data", ledger.data).stdout
    assert "[###############---------------] 50 %, 2 of 4 jobs have ended" in shown
    assert "time left: about" in shown
    assert "At least 5 attempts left no outcome" in shown
    assert "1 page: price: null in N of N" in shown
    assert "https://shop.example/tried" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["price", "0", "%", "https://shop.example/good"] in lines
    assert ["title", "100", "%", '"A"'] in lines


def test_status_as_json_has_everything(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """`--json` prints one object with the numbers, the hosts, the fields and the jobs being retried."""
    record(ledger, rows())
    document = json.loads(scrapeq("status", "--json", "--data", ledger.data).stdout)
    assert document["accounting"]["dispatched"] == 4
    assert document["unrecorded_attempts"] == 5
    assert [field["rate"] for field in document["fields"] if field["field"] == "price"] == [0]
    [retrying] = document["retrying"]
    assert retrying["url"] == "https://shop.example/tried"
    assert datetime.fromisoformat(retrying["next_attempt"]) > datetime.fromisoformat(retrying["attempted_at"])


def test_watch_ends_with_the_run_and_its_accounting(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """`--watch` of a run that has ended ends at once, with its state."""
    record(ledger, [job_row("good"), outcome_row("good", 2)])
    result = scrapeq("status", "--watch", "--data", ledger.data)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "accounting: dispatched=1 succeeded=1 dead=0 in_flight=0"


def test_watch_ends_with_a_summary_at_ctrl_c(
    scrapeq: Scrapeq, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends `--watch`; the last lines are the state of the run, which continues."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    record(ledger, rows())
    monkeypatch.setattr(status_command, "pause", interrupt)
    result = scrapeq("status", "--watch", "--data", ledger.data)
    assert result.exit_code == 0
    assert "Stopped watching. Run run-1 continues." in result.stdout
    assert result.stdout.splitlines()[-1].startswith("accounting: dispatched=4")


def test_time_left_without_a_rate_is_unknown() -> None:
    """While no job has ended, the time left is unknown; a run that has ended has none."""
    [bar, rate] = progress_lines(overview(accounting=Accounting(dispatched=2, in_flight=2)))
    assert bar == "[------------------------------] 0 %, 0 of 2 jobs have ended"
    assert rate.endswith("time left: unknown")
    done = overview(accounting=Accounting(dispatched=2, succeeded=2), mean_per_minute=30.0)
    assert list(progress_lines(done))[1] == "mean 30 jobs per minute"


def test_long_lists_say_how_much_they_leave_out() -> None:
    """The tables of hosts and fields, and the complaints, end with the number of what is not shown."""
    hosts = [HostRow(f"h{number}", 1, 1, 0, 0, 0, 0, 0, 0, "") for number in range(23)]
    assert cells(hosts_table(hosts))[-1][0] == "and 3 more"
    fields = [FieldRow("book", f"f{number}", 2, 1) for number in range(52)]
    assert cells(fields_table(fields))[-1][0] == "and 2 more"
    complaints = tuple(Complaint(f"text {number}", number, "u") for number in range(7))
    lines = list(complaint_lines([FieldRow("book", "f", 1, 1, complaints=complaints)]))
    assert lines[0] == "6 pages: text 6 (for example u)"
    assert lines[-1] == "and 2 more kinds of complaints"


def test_blocked_host_is_shown_with_the_time() -> None:
    """A host that is blocked has the time at which it may be requested again."""
    row = HostRow("a.example", 3, 1, 0, 2, 1, 1, 0, 5, "2026-11-22T06:00:03.120000Z")
    assert cells(hosts_table([row])) == [("a.example", "3", "1", "0", "2", "1", "0", "5", "06:00:03 UTC")]


def test_time_left_is_not_before_what_is_known_to_wait(ledger: Ledger) -> None:
    """If a job or host waits for longer than the rate lets expect, the time left is that of the wait."""
    record(ledger, rows())
    now = datetime.now(UTC)
    found = read_status(ledger, "run-1", now)
    policy = DeliveryPolicy(minimum_backoff_seconds=1, maximum_backoff_seconds=1)
    later = f"{now + timedelta(seconds=3 * 3600):%Y-%m-%dT%H:%M:%S.%fZ}"
    blocked = found._replace(hosts=[each._replace(blocked_until=later) for each in found.hosts])
    [line] = [part for part in status_parts(blocked, policy, now) if "time left" in str(part)]
    assert str(line).endswith("time left: about 3 h")


def test_hosts_of_a_run_that_has_ended_keep_their_failures(ledger: Ledger) -> None:
    """The table of hosts is shown as long as an attempt has failed, also for a single host."""
    record(ledger, [job_row("a"), outcome_row("a", 1, reason="http_5xx"), outcome_row("a", 2)])
    now = datetime.now(UTC)
    parts = status_parts(read_status(ledger, "run-1", now), DeliveryPolicy(), now)
    tables = [part for part in parts if isinstance(part, TextTable)]
    assert any(table.columns[0].header == "host" for table in tables)


def test_no_word_of_a_header_is_broken_in_a_terminal_of_80_columns() -> None:
    """With long counts and a time, the table of hosts fits, and `succeeded` stays one word."""
    row = HostRow("shop.example", 9_999, 9_999, 999, 999, 99, 99, 99, 600, "2026-11-22T06:00:03.120000Z")
    terminal = recording_terminal(80)
    terminal.print(hosts_table([row]))
    lines = terminal.export_text().splitlines()
    assert all(any(word in line.split() for line in lines) for word in ("succeeded", "waiting", "blocked"))
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("rate", "text"), [(0, "0 %"), (0.004, "< 1 %"), (0.37, "37 %"), (0.996, "> 99 %"), (1, "100 %")]
)
def test_percentage_is_all_or_none_only_if_it_is(rate: float, text: str) -> None:
    """Almost all is not shown as all, and almost none not as none."""
    assert percent(rate) == text


def test_hostile_values_are_escaped(scrapeq: Scrapeq, ledger: Ledger) -> None:
    """Control characters in items, hosts and warnings do not reach the terminal."""
    items: list[dict[str, object]] = [{"title": "\x1b[31mred", "price\x1b[2J": "x"}]
    record(ledger, [job_row("a"), outcome_row("a", 1, items=items, detail="\x1b]0;title\x07: bad")])
    for arguments in (["status"], ["status", "--json"], ["status", "--watch"]):
        assert "\x1b" not in scrapeq(*arguments, "--data", ledger.data).stdout


def test_parts_and_json_are_made_of_the_same_state(ledger: Ledger) -> None:
    """The last part is the accounting that the JSON has."""
    record(ledger, rows())
    now, policy = datetime.now(UTC), DeliveryPolicy()
    status = read_status(ledger, "run-1", now)
    *_, last = status_parts(status, policy, now)
    assert last == str(Accounting(**_without(status_json(status, policy)["accounting"])))


def _without(accounting: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in accounting.items() if name != "adds_up"}


def test_stall_is_explained_with_what_is_known(ledger: Ledger) -> None:
    """The warning names the jobs, the blocked host and whether `scrapeq up` runs, and asks nothing."""
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    waiting = job_row("a", 3)
    data = waiting.data.replace(b'"version"', b'"not_before": "' + until.encode() + b'", "version"')
    attributes = {**waiting.attributes, "host": "slow.example"}
    record(ledger, [Row(waiting.topic, "s", "m", waiting.publish_time, attributes, data)])
    record(ledger, [outcome_row("a", 1, reason="http_429"), job_row("b")])
    follower = Follower(
        ledger,
        [DispatchResponse(run_id="run-1")],
        lambda *_: None,
        describe_stack=lambda: describe_stack(ledger),
    )
    follower.has_all_jobs = True
    text = follower.describe_stall(ledger.accounting("run-1"))
    assert "2 jobs are in flight, 1 of them after an attempt" in text
    assert f"slow.example is not requested before {until[:19]} UTC" in text
    assert text.endswith(
        f"No `scrapeq up` runs in {ledger.data}, so the jobs wait until one is started there."
    )
    with lock_data_directory(ledger.data):
        assert follower.describe_stall(ledger.accounting("run-1")).endswith(
            f"`scrapeq up` runs in {ledger.data}."
        )
