"""Tests of `replay N` and `peek N` with the real gcloud and a Pub/Sub server, and with signals."""

import json
import os
import random
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from contract.topology import DEAD_LETTER_SUBSCRIPTION, DEAD_LETTER_TOPIC, JOBS_TOPIC
from tests.scripts.replay_project import (
    MAX_RUN_SECONDS,
    REPLAYED_JOBS,
    SCRIPT,
    Job,
    ReplayProject,
    job,
    kill_group,
    tally,
)
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

LEASE_SECONDS = 10


def pull_replayed(project: ReplayProject, wanted: int) -> list[Job]:
    """Return the replayed jobs when there are at least `wanted` different jobs."""
    jobs = list[Job]()

    def are_replayed() -> bool:
        jobs.extend(project.pull(REPLAYED_JOBS))
        return len(set(jobs)) >= wanted

    wait_until(are_replayed, f"{wanted} jobs")
    return jobs + project.pull(REPLAYED_JOBS)


def test_replay_publishes_200_dead_letters_as_their_original_jobs(project: ReplayProject) -> None:
    """`replay 200` publishes each of 200 dead letters once, as its original job; the other five stay."""
    # Given 205 dead letters, some without a body and some without an ordering key
    dead_letters = [job(number, f"host-{number % 5}" if number < 50 else "") for number in range(205)]
    project.publish_dead_letters(dead_letters)
    # When `peek` shows all of them
    peeked = project.run("peek", "205", "--json")
    # Then each is shown with all attributes, including those that Pub/Sub added
    assert (peeked.returncode, peeked.stderr) == (0, "")
    attributes = [json.loads(line)["attributes"] for line in peeked.stdout.splitlines()]
    assert sorted(int(each["job_id"]) for each in attributes) == list(range(205))
    assert {each["CloudPubSubDeadLetterSourceDeliveryCount"] for each in attributes} == {"5"}
    # When 200 are replayed
    done = project.run("replay", "200")
    # Then these 200 are jobs again, and the other five are still dead letters
    assert (done.returncode, done.stdout) == (0, "200 dead letters were replayed\n"), done.stderr
    jobs = pull_replayed(project, 200)
    assert len(jobs) == 200
    remaining = project.pull(DEAD_LETTER_SUBSCRIPTION)
    unreplayed = {
        Job(each.data, _original_attributes(each.attributes), each.ordering_key) for each in remaining
    }
    assert set(jobs) | unreplayed == set(dead_letters)
    assert len(unreplayed) == 5


def _original_attributes(attributes: frozenset[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    return frozenset(pair for pair in attributes if not pair[0].startswith("CloudPubSubDeadLetter"))


def test_peek_and_dry_run_show_dead_letters_and_leave_them(local_project: ReplayProject) -> None:
    """`peek` and `--dry-run` print a dead letter with escaped control characters, and do not remove it."""
    attributes = {"job_id": "1", "reason": "http_404", "detail": "\x1b[2Jgone"}
    local_project.publish_dead_letters([Job(b"x", frozenset(attributes.items()), "")])
    peeked = local_project.run("peek", "1")
    assert 'attempts="5" reason="http_404" detail="\\u001b[2Jgone" job_id="1" data=1 B' in peeked.stdout
    assert "would be published to scrape-jobs: " in local_project.run("replay", "1", "--dry-run").stdout
    assert local_project.pull(REPLAYED_JOBS) == []
    assert len(local_project.pull(DEAD_LETTER_SUBSCRIPTION)) == 1


def test_dead_letter_that_pubsub_refuses_does_not_block_others(project: ReplayProject) -> None:
    """A dead letter without data and attributes cannot be published and stays; the other two are replayed."""
    project.publish_dead_letters([job(1), Job(b"", frozenset(), ""), job(3)])
    done = project.run("replay", "3")
    assert done.returncode == 1
    assert "2 dead letters were replayed" in done.stdout
    assert "Pub/Sub refuses message " in done.stdout
    assert tally(pull_replayed(project, 2)) == tally([job(1), job(3)])
    assert len(project.pull(DEAD_LETTER_SUBSCRIPTION)) == 1


def _interrupted(project: ReplayProject, number: signal.Signals, after_lines: int) -> subprocess.Popen[str]:
    """Start a replay; signal its process group after `after_lines` lines of progress."""
    process = project.start("replay", "200", "--lease-seconds", str(LEASE_SECONDS))
    assert process.stderr is not None
    for _ in range(after_lines):
        assert process.stderr.readline().startswith("replayed ")
    os.killpg(process.pid, number)
    return process


@pytest.mark.long_on_emulator
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_interrupted_replay_loses_no_dead_letter(project: ReplayProject, number: signal.Signals) -> None:
    """If an interrupted replay is repeated, every dead letter becomes a job, and only a few do so twice."""
    # Given dead letters with 50 ordering keys, which are published in many requests
    dead_letters = [job(number, f"host-{number % 50}") for number in range(200)]
    project.publish_dead_letters(dead_letters)
    # When the replay is interrupted
    process = _interrupted(project, number, random.randint(1, 40))
    process.communicate(timeout=MAX_WAIT_SECONDS)
    kill_group(process)
    assert process.returncode != 0
    jobs = project.pull(REPLAYED_JOBS)
    assert len(set(jobs)) < 200

    # And when it is repeated until no dead letter is left. Dead letters that a killed replay has pulled are
    # leased for 10 s, so one repetition may not be enough.
    def are_replayed() -> bool:
        remaining = 200 - len(set(jobs))
        project.run("replay", str(remaining), "--lease-seconds", str(LEASE_SECONDS))
        jobs.extend(project.pull(REPLAYED_JOBS))
        return len(set(jobs)) == 200

    wait_until(are_replayed, "200 jobs", MAX_RUN_SECONDS)
    # Then no job is lost, and only jobs of the interrupted publish request can exist twice
    assert set(jobs) == set(dead_letters)
    assert len(jobs) - 200 <= 4, "more than one publish request was repeated"


def test_missing_subscription_or_topic_is_named(local_project: ReplayProject) -> None:
    """If the subscription or the topic does not exist, the error has its kind and name."""
    assert "subscription nobody: " in local_project.run("peek", "1", "--subscription", "nobody").stderr
    assert "topic nobody: " in local_project.run("replay", "1", "--topic=nobody").stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "usage: "),
        (("bury",), "unknown command bury"),
        (("peek",), "peek needs a number from 1 to 10000000 (got none)"),
        (("replay", "0"), "replay needs a number"),
        (("replay", "3", "4"), "unexpected argument 4"),
        (("replay", "3", "--lease-seconds", "9"), "--lease-seconds needs a number from 10 to 600 (got 9)"),
        (("replay", "3", "--topic"), "--topic needs a value"),
        (("replay", "3", "--force"), "unknown option --force"),
        (("stop", "3"), "stop takes no number"),
        (("replay-jobs",), "replay-jobs needs a readable file of job ids (got none)"),
        (("replay-jobs", "/nowhere"), "replay-jobs needs a readable file of job ids (got /nowhere)"),
    ],
)
def test_invalid_arguments_are_refused_before_gcloud_is_called(
    arguments: tuple[str, ...], sentence: str
) -> None:
    """An invalid argument is rejected with a message that has the argument and the allowed values."""
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in {1, 2}
    assert sentence in done.stderr
    assert done.stdout == ""


def test_missing_gcloud_is_reported_with_its_download_page(tmp_path: Path) -> None:
    """If gcloud is not installed, the message has the address of its installation guide."""
    for tool in ("bash", "dirname"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or tool)
    done = subprocess.run(
        [SCRIPT, "count"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "gcloud is not installed: https://" in done.stderr


def test_missing_project_is_reported_with_the_command_that_sets_it(
    local_project: ReplayProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no project is configured, the message has the gcloud command that sets it."""
    monkeypatch.setattr(local_project, "name", "")
    assert "no project is set: gcloud config set project ID" in local_project.run("count").stderr


def test_default_names_are_those_of_the_topology() -> None:
    """The script's default topic and subscription are those of contract/topology.py."""
    text = SCRIPT.read_text(encoding="utf-8")
    assert f"subscription={DEAD_LETTER_SUBSCRIPTION} topic={JOBS_TOPIC} " in text
    assert DEAD_LETTER_TOPIC in DEAD_LETTER_SUBSCRIPTION
