"""Tests of `scrapeq dead drop`, `dead list`, `dead show` and `dead export`, and of `scrapeq acts`."""

import base64
import json
from pathlib import Path

from contract.job import Job
from contract.outcome import Reason
from contract.topology import DEAD_LETTER_TOPIC, JOBS_TOPIC
from tests.console.command import run_scrapeq
from tests.console.dead_letters.line import PUBSUB_ATTRIBUTES, RUN, Line
from tests.servers.waiting import wait_for


def dead(line: Line, *words: object) -> str:
    """Run a subcommand of `scrapeq dead`; return its output."""
    done = run_scrapeq("dead", *words, "--data", line.ledger.data)
    assert done.exit_code == 0, done.output
    return done.stdout


def listed(line: Line, *options: object) -> list[dict[str, object]]:
    """Return the dead letters that `dead list --json` lists."""
    return [json.loads(text) for text in dead(line, "list", *options, "--json").splitlines()]


def test_dropped_jobs_are_accounted_as_dropped(line: Line) -> None:
    """A drop removes the selected dead letters, and the accounting adds up; a replay finds nothing."""
    line.die(line.dispatch("a", "b"), Reason.HTTP_404, http_status=404)
    line.die(line.dispatch("c"), Reason.TIMEOUT)
    shown = dead(line, "drop", "--where", "reason=http_404", "--yes", "--pubsub", line.host)
    assert "dropped 2, left 0" in shown
    assert line.accounting(dropped=2, dead=1).adds_up
    assert len(line.dead_letters()) == 1
    assert [each["reason"] for each in listed(line)] == ["timeout"]
    [act] = wait_for(lambda: acts(line), lambda found: bool(found and found[0]["jobs"]))
    assert (act["act"], act["jobs"], act["selection"], act["run_id"]) == ("drop", 2, "reason=http_404", RUN)


def acts(line: Line, *options: object) -> list[dict[str, object]]:
    """Return the acts that `scrapeq acts --json` lists."""
    done = run_scrapeq("acts", *options, "--json", "--data", line.ledger.data)
    return [json.loads(text) for text in done.stdout.splitlines()]


def test_drop_asks_first(line: Line) -> None:
    """Without a terminal that can be asked, a drop needs --yes; a dry run needs nothing and drops nothing."""
    line.die(line.dispatch("a"), Reason.TIMEOUT)
    done = run_scrapeq("dead", "drop", "--pubsub", line.host, "--data", line.ledger.data)
    assert (done.exit_code, "Confirm with --yes" in done.stderr) == (2, True)
    assert "1 to drop" in dead(line, "drop", "--dry-run")
    assert json.loads(dead(line, "drop", "--dry-run", "--json")) == {"dropped": 0, "left": 1}
    assert len(line.dead_letters()) == 1
    assert acts(line) == []


def test_dead_letter_of_a_dropped_job_is_only_removed(line: Line) -> None:
    """After a drop that was killed before the acknowledgement, the next command finishes it."""
    [dropped, other] = line.dispatch("a", "b")
    line.die([dropped, other], Reason.TIMEOUT)
    before = line.dead_letters()
    dead(line, "drop", "--job", dropped.job_id, "--yes", "--pubsub", line.host)
    line.accounting(dropped=1)
    # The dead letter is published again, as after a lost acknowledgement.
    line.publish(DEAD_LETTER_TOPIC, [(dropped.encode(), dropped.attributes("") | PUBSUB_ATTRIBUTES)])
    wait_for(line.dead_letters, lambda found: len(found) == 2 and set(found) != set(before))
    count = "SELECT count(DISTINCT message_id) FROM `${ledger}.dead_letters`"
    wait_for(lambda: line.ledger.rows(count), lambda found: found == [(3,)])
    dead(line, "replay", "--pubsub", line.host)
    assert [job.job_id for job in line.take(1)] == [other.job_id]
    dead(line, "replay", "--pubsub", line.host)
    assert line.dead_letters() == []
    assert line.accounting(dropped=1, in_flight=1).adds_up


def test_replay_is_an_act_of_the_operator_log(line: Line) -> None:
    """Each command is one act, with who gave it, when, the filter, and how many jobs it replayed."""
    line.die(line.dispatch("a", "b"), Reason.TIMEOUT)
    where = "reason=timeout host=shop.example"
    done = dead(line, "replay", "--where", where, "--pubsub", line.host, "--json")
    assert json.loads(done) == {"replayed": 2, "left": 0}
    [act] = wait_for(lambda: acts(line, RUN), lambda found: bool(found and found[0]["jobs"]))
    assert (act["act"], act["jobs"], act["run_id"]) == ("replay", 2, RUN)
    assert act["selection"] == "reason=timeout host=shop.example"
    assert "@" in str(act["operator"])
    assert "replay" in run_scrapeq("acts", "--data", line.ledger.data).stdout


def test_unreadable_messages_are_listed_exported_and_dropped(line: Line, tmp_path: Path) -> None:
    """Messages without a job id belong to no run: --all-runs shows them, and each can be dropped."""
    line.publish(JOBS_TOPIC, [(b"\xff", {}), (b"no job", {"host": "\x1b[2J"})])
    line.publish(DEAD_LETTER_TOPIC, [(b"\xff", {}), (b"no job", {"host": "\x1b[2J"})])
    found = wait_for(lambda: listed(line, "--all-runs"), lambda each: len(each) == 2)
    assert {each["reason"] for each in found} == {"bad_job"}
    assert "\x1b" not in dead(line, "list", "--all-runs")
    file = tmp_path / "dead.jsonl"
    assert "2 dead letters written" in dead(line, "export", "--output", file, "--all-runs")
    bodies = [json.loads(text)["message"] for text in file.read_text().splitlines()]
    assert sorted(
        each.get("data") or base64.b64decode(each["data_base64"]).decode("latin-1") for each in bodies
    ) == ["no job", "ÿ"]
    message_id = str(found[0]["message_id"])
    assert message_id in dead(line, "show", message_id)
    dead(line, "drop", "--where", f"message={message_id}", "--yes", "--pubsub", line.host)
    remaining = wait_for(lambda: listed(line, "--all-runs"), lambda each: len(each) == 1)
    assert remaining[0]["message_id"] != message_id
    assert len(line.dead_letters()) == 1


def test_export_has_the_message_as_it_was_published(line: Line, tmp_path: Path) -> None:
    """A line of an export has the job, its attributes, its last reason and its detail."""
    [job] = line.dispatch("a")
    line.die([job], Reason.HTTP_5XX, http_status=503, detail="the site answered 503")
    file = tmp_path / "dead.jsonl"
    dead(line, "export", "-o", file)
    [exported] = [json.loads(text) for text in file.read_text().splitlines()]
    assert Job.decode(exported["message"]["data"].encode()) == job
    assert exported["message"]["attributes"]["job_id"] == job.job_id
    assert (exported["reason"], exported["http_status"], exported["detail"]) == (
        "http_5xx",
        503,
        "the site answered 503",
    )


def test_show_tells_the_life_of_a_dead_letter(line: Line) -> None:
    """`dead show` has the attempts, what to do, and the command that does it; a URL names it as well."""
    [job] = line.dispatch("a")
    line.die([job], Reason.HTTP_404, http_status=404)
    for name in (job.job_id, job.url):
        shown = dead(line, "show", name)
        assert "attempt 5: http_404, HTTP 404" in shown
        assert "is a dead letter" in shown
        assert f"command: scrapeq dead drop --job {job.job_id}" in shown
    done = run_scrapeq("dead", "show", "nothing", "--data", line.ledger.data)
    assert (done.exit_code, "No dead letter has this job id" in done.stderr) == (1, True)


def test_unreadable_messages_of_no_run_are_mentioned_in_the_list_of_a_run(line: Line) -> None:
    """The list of a run says that there are dead letters which belong to no run, and how to see them."""
    line.die(line.dispatch("a"), Reason.TIMEOUT)
    line.publish(DEAD_LETTER_TOPIC, [(b"?", {})])
    wait_for(lambda: dead(line, "list"), lambda shown: "1 more are messages that belong to no run" in shown)
