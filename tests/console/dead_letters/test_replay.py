"""Tests of `scrapeq dead replay`, with localpubsub as the Pub/Sub and its ledger."""

import re
import shlex
from pathlib import Path
from threading import Thread

import pytest
from google.pubsub_v1 import PublisherClient as Client
from google.pubsub_v1 import types

from console.controls.acts import make_act
from console.dead_letters.processing import Selection
from console.dead_letters.replay import replay
from console.errors import ReplayError
from console.stack.pubsub_address import PubsubAddress
from console.stack.pubsub_setup import publisher_client, topic_path
from contract.operator_act import Act
from contract.outcome import Reason
from contract.topology import DEAD_LETTER_TOPIC, JOBS_TOPIC, OPERATOR_TOPIC
from tests.console.command import Scrapeq, run_scrapeq
from tests.console.dead_letters.line import PUBSUB_ATTRIBUTES, RUN, WORKER, Line
from tests.servers.waiting import wait_for

WORKER_ATTRIBUTES = {"reason": "http_404", "detail": "the site answered 404", "attempt": "1"}


def replayed(line: Line, *options: object) -> str:
    """Run `scrapeq dead replay` with options; return its output."""
    done = run_scrapeq("dead", "replay", *options, "--pubsub", line.host, "--data", line.ledger.data)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_replay_publishes_every_dead_letter_as_its_original_job(line: Line) -> None:
    """A replay keeps the body, original attributes and ordering key, and removes the added attributes."""
    jobs = line.dispatch(*map(str, range(120)))
    line.publish(
        DEAD_LETTER_TOPIC,
        [(job.encode(), job.attributes("") | PUBSUB_ATTRIBUTES | WORKER_ATTRIBUTES) for job in jobs],
        "shop.example#0",
    )
    line.await_states("dead", jobs)
    assert "replayed 120, left 0" in replayed(line)
    messages = line.pull(WORKER, 120)
    assert {message.data for message in messages} == {job.encode() for job in jobs}
    assert all(set(each.attributes) == {"job_id", "run_id", "crawl", "host", "version"} for each in messages)
    assert {message.ordering_key for message in messages} == {"shop.example#0"}
    assert line.accounting(dead=0, in_flight=120).adds_up
    assert "replayed 0, left 0" in replayed(line)


def test_job_that_is_dead_lettered_again_during_a_replay_is_replayed_once(line: Line) -> None:
    """If a replayed job becomes a dead letter again during the replay, the new dead letter is left."""
    jobs = line.dispatch("a", "b")
    line.die(jobs, Reason.TIMEOUT)
    chosen = set(line.dead_letters())

    def die_again(_: int) -> None:
        line.die(line.take(2), Reason.TIMEOUT)

    assert len(replay(PubsubAddress(line.host), Selection(chosen), die_again).done) == 2
    assert len(line.dead_letters()) == 2
    assert not chosen & set(line.dead_letters())


def test_replay_leaves_dead_letters_that_are_not_selected(line: Line) -> None:
    """Dead letters of other runs and reasons stay in the subscription, and can be pulled immediately."""
    line.die(line.dispatch("a", "b"), Reason.TIMEOUT)
    line.die(line.dispatch("c"), Reason.HTTP_5XX, http_status=503)
    line.die(line.dispatch("d"), Reason.HTTP_5XX, http_status=500)
    line.die(line.dispatch("e", run="run-2"), Reason.TIMEOUT)
    assert "replayed 1, left 0" in replayed(line, RUN, "--where", "reason=http_503")
    assert line.take(1)[0].url.endswith("/c")
    line.accounting(dead=3)
    assert "replayed 1, left 0" in replayed(line, RUN, "--where", "reason=timeout url=/a")
    assert line.take(1)[0].url.endswith("/a")
    assert len(line.dead_letters()) == 3
    assert "replayed 1, left 0" in replayed(line, "--all-runs", "--yes", "--where", "run=run-2")
    assert line.take(1)[0].run_id == "run-2"


def test_dead_letter_that_cannot_be_published_is_not_acknowledged(line: Line) -> None:
    """If the publish of the jobs fails, the dead letters stay in the subscription, and the error says so."""
    line.die(line.dispatch("a", "b", "c"), Reason.TIMEOUT)
    with publisher_client(line.host) as publisher:
        publisher.delete_topic(topic=topic_path(JOBS_TOPIC), timeout=120)
    done = run_scrapeq("dead", "replay", "--pubsub", line.host, "--data", line.ledger.data)
    assert done.exit_code == 1
    assert "0 dead letters are done, then Pub/Sub failed" in done.stderr
    assert len(line.dead_letters()) == 3


def test_infrastructure_replays_only_what_the_infrastructure_caused(line: Line) -> None:
    """The command that `dead list` shows publishes only the jobs that did not fail because of their page."""
    line.die(line.dispatch("a"), Reason.HTTP_404)
    line.die(line.dispatch("b", "c"), None)
    line.die(line.dispatch("d", run="run-2"), None)
    shown = run_scrapeq("dead", "list", RUN, "--data", line.ledger.data).stdout
    command = re.search(r"to replay just these: scrapeq (.*)", shown)
    assert command, shown
    done = run_scrapeq(*shlex.split(command[1]), "--pubsub", line.host)
    assert "replayed 2, left 0" in done.stdout, done.output
    assert {job.url[-1] for job in line.take(2)} == {"b", "c"}
    assert len(line.dead_letters()) == 2


def test_reason_that_cannot_change_needs_force(line: Line) -> None:
    """A job whose field was missing is replayed only with --force; the others are replayed without it."""
    line.die(line.dispatch("a"), Reason.MISSING_FIELD)
    line.die(line.dispatch("b"), Reason.TIMEOUT)
    shown = replayed(line)
    assert "1 are left out" in shown
    assert "missing_field" in shown
    assert line.take(1)[0].url.endswith("/b")
    line.accounting(dead=1)
    assert "replayed 1, left 0" in replayed(line, "--force")
    assert line.take(1)[0].url.endswith("/a")


def test_dry_run_shows_what_would_be_replayed(line: Line) -> None:
    """With --dry-run, the numbers by reason and host are shown, and nothing is published."""
    line.die(line.dispatch("a", "b"), Reason.HTTP_5XX, http_status=503)
    shown = replayed(line, "--dry-run")
    assert "2 to replay" in shown
    assert "2 http_503 at shop.example" in shown
    assert len(line.dead_letters()) == 2


def test_replay_of_all_runs_asks_first(line: Line) -> None:
    """Without a terminal that can be asked, a replay of all runs needs --yes."""
    line.die(line.dispatch("a"), Reason.TIMEOUT)
    done = run_scrapeq("dead", "replay", "--all-runs", "--pubsub", line.host, "--data", line.ledger.data)
    assert (done.exit_code, "Confirm with --yes" in done.stderr) == (2, True)
    assert len(line.dead_letters()) == 1
    assert "replayed 1, left 0" in replayed(line, "--all-runs", "--yes")


def test_dead_letter_of_a_job_that_was_published_again_is_only_removed(line: Line) -> None:
    """After a replay that was killed before the acknowledgement, the next one publishes nothing twice."""
    jobs = line.dispatch("a", "b")
    line.die(jobs, Reason.TIMEOUT)
    line.publish(JOBS_TOPIC, [(jobs[0].encode(), jobs[0].attributes(""))])
    line.end(line.take(1))
    line.await_states("succeeded", jobs[:1])
    shown = replayed(line)
    assert "replayed 1, left 0" in shown
    assert [job.job_id for job in line.take(1)] == [jobs[1].job_id]
    line.end(jobs[1:])
    line.await_states("succeeded", jobs)
    replayed(line)
    assert line.dead_letters() == []


def test_canary_replays_the_rest_when_it_has_succeeded(line: Line) -> None:
    """With --first the rest is replayed after the ends of the first jobs, if all of them succeed."""
    line.die(line.dispatch(*map(str, range(5))), Reason.TIMEOUT)
    shown = list[str]()
    command = Thread(target=lambda: shown.append(replayed(line, "--first", "2", "--rate", "1000/s")))
    command.start()
    line.end(line.take(2))
    line.end(line.take(3))
    command.join()
    assert "All of the first 2 jobs succeeded." in shown[0]
    assert line.accounting(succeeded=5).dead == 0


def test_canary_that_dies_leaves_the_rest_dead(line: Line) -> None:
    """If a job of the canary dies again, the rest is not replayed, and the exit status is 3."""
    line.die(line.dispatch(*map(str, range(5))), Reason.TIMEOUT)
    results = []
    options = ("--first", "2", "--pubsub", line.host, "--data", line.ledger.data)
    command = Thread(target=lambda: results.append(run_scrapeq("dead", "replay", *options)))
    command.start()
    first, second = line.take(2)
    line.end([first])
    line.die([second], Reason.TIMEOUT)
    command.join()
    assert results[0].exit_code == 3
    assert "Of the first 2 jobs, 1 succeeded, the others did not: 1 dead." in results[0].stdout
    assert line.accounting(succeeded=1, dead=4).in_flight == 0


def test_message_whose_attributes_are_named_like_parameters_is_replayed(line: Line) -> None:
    """An unreadable message may have any attributes, also those that the client takes as parameters."""
    attributes = {"topic": "x", "data": "y", "retry": "z"}
    Client.publish(
        line.publisher,
        topic=topic_path(DEAD_LETTER_TOPIC),
        messages=[types.PubsubMessage(data=b"?", attributes=attributes)],
        timeout=60,
    )
    where = wait_for(line.dead_letters, lambda found: len(found) == 1)
    line_of = ("dead", "list", "--all-runs", "--json", "--data", line.ledger.data)
    wait_for(lambda: run_scrapeq(*line_of).stdout, lambda shown: where[0] in shown)
    assert "replayed 1, left 0" in replayed(line, "--all-runs", "--yes", "--force")
    [message] = line.pull(WORKER, 1)
    assert (message.data, dict(message.attributes)) == (b"?", attributes)


def test_replay_without_a_ledger_replays_nothing(line: Line, scrapeq: Scrapeq, tmp_path: Path) -> None:
    """Without a ledger the command fails, because the cause of the dead letters is unknown."""
    line.die(line.dispatch("a"), Reason.TIMEOUT)
    done = scrapeq("dead", "replay", "--pubsub", line.host, "--data", tmp_path / "other")
    assert done.exit_code == 1
    assert "There is no ledger in" in done.stderr
    assert len(line.dead_letters()) == 1


def test_replay_without_a_running_pubsub_raises_replay_error() -> None:
    """If Pub/Sub is not running, the error's message has the number of replayed dead letters."""
    with pytest.raises(ReplayError, match="0 dead letters"):
        replay(PubsubAddress("127.0.0.1:1"), Selection({"1"}))


def test_dead_letters_of_a_cancelled_run_are_refused(line: Line) -> None:
    """The workers would cancel the jobs again, so a sentence says what to do instead."""
    line.die(line.dispatch("a"), Reason.TIMEOUT)
    act = make_act(Act.CANCEL, "somebody@machine", run_id=RUN)
    line.publish(OPERATOR_TOPIC, [(act.encode(), act.attributes())])
    wait_for(lambda: line.ledger.rows("SELECT act FROM `${ledger}.operator_log`"), bool)
    done = run_scrapeq("dead", "replay", "--pubsub", line.host, "--data", line.ledger.data)
    assert (done.exit_code, "was cancelled by somebody@machine" in done.stderr) == (2, True)
    assert len(line.dead_letters()) == 1
