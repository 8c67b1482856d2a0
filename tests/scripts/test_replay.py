"""`replay N` and `peek N`: real gcloud, a real Pub/Sub, and signals at any moment."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from contract.topology import DEAD_LETTER_SUBSCRIPTION, DEAD_LETTER_TOPIC, JOBS_TOPIC
from tests.scripts.replay_project import KEPT, SCRIPT, Job, PostOffice, end, job, tally

pytestmark = pytest.mark.timeout(400)
LEASE_SECONDS = 10


def everything(office: PostOffice, wanted: int, seconds: float = 120) -> list[Job]:
    """Return the jobs published, once there are as many different ones as wanted."""
    jobs, until = list[Job](), time.monotonic() + seconds
    while len(set(jobs)) < wanted:
        assert time.monotonic() < until, f"{len(set(jobs))} of {wanted} jobs after {seconds} s"
        jobs += office.take(KEPT)
    return jobs + office.take(KEPT)


def test_200_letters_become_the_jobs_they_were(office: PostOffice) -> None:
    """Bytes, attributes and ordering keys as they were; each once; what was not asked for stays."""
    # Given 205 dead letters, text or not, empty or not, with and without a key
    letters = [job(number, f"host-{number % 5}" if number < 50 else "") for number in range(205)]
    office.bury(letters)
    # When they are looked at
    peeked = office.run("peek", "205", "--json")
    # Then each is told whole, with what Pub/Sub says of its death
    assert (peeked.returncode, peeked.stderr) == (0, "")
    told = [json.loads(line)["attributes"] for line in peeked.stdout.splitlines()]
    assert sorted(int(each["job_id"]) for each in told) == list(range(205))
    assert {each["CloudPubSubDeadLetterSourceDeliveryCount"] for each in told} == {"5"}
    # When 200 are replayed
    done = office.run("replay", "200")
    # Then those are jobs again, and the others are still dead
    assert (done.returncode, done.stdout) == (0, "200 dead letters are jobs again\n"), done.stderr
    jobs = everything(office, 200)
    assert len(jobs) == 200
    left = office.take(DEAD_LETTER_SUBSCRIPTION)
    own = {Job(each.data, _own(each.attributes), each.ordering_key) for each in left}
    assert set(jobs) | own == set(letters)
    assert len(own) == 5


def _own(attributes: frozenset[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    return frozenset(pair for pair in attributes if not pair[0].startswith("CloudPubSubDeadLetter"))


def test_letters_are_told_with_attempts_and_reason_and_stay(local_office: PostOffice) -> None:
    """A line each that steers no terminal; a dry run publishes nothing."""
    reasoned = {"job_id": "1", "reason": "http_404", "detail": "\x1b[2Jgone"}
    local_office.bury([Job(b"x", frozenset(reasoned.items()), "")])
    peeked = local_office.run("peek", "1")
    assert 'attempts="5" reason="http_404" detail="\\u001b[2Jgone" job_id="1" data=1 B' in peeked.stdout
    assert "would be published to scrape-jobs: " in local_office.run("replay", "1", "--dry-run").stdout
    assert local_office.take(KEPT) == []
    assert len(local_office.take(DEAD_LETTER_SUBSCRIPTION)) == 1


def test_a_letter_that_pubsub_does_not_take_keeps_no_other(office: PostOffice) -> None:
    """A message with neither data nor attributes was published by nobody: it stays, and is named."""
    office.bury([job(1), Job(b"", frozenset(), ""), job(3)])
    done = office.run("replay", "3")
    assert done.returncode == 1
    assert "2 dead letters are jobs again" in done.stdout
    assert " is not taken: " in done.stdout
    assert tally(everything(office, 2)) == tally([job(1), job(3)])
    assert len(office.take(DEAD_LETTER_SUBSCRIPTION)) == 1


def _interrupted(office: PostOffice, number: signal.Signals, after_lines: int) -> subprocess.Popen[str]:
    """Start a replay and send a signal to all of it once it has told of so many steps."""
    process = office.start("replay", "200", "--lease-seconds", str(LEASE_SECONDS))
    assert process.stderr is not None
    for _ in range(after_lines):
        assert process.stderr.readline().startswith("replayed ")
    os.killpg(process.pid, number)
    return process


@pytest.mark.long_on_emulator
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_interrupted_anywhere_no_letter_is_lost(office: PostOffice, number: signal.Signals) -> None:
    """Whatever was under way: run again, every letter is a job; some may be so twice."""
    # Given letters of many ordering keys, so that they are replayed in many steps
    letters = [job(number, f"host-{number % 50}") for number in range(200)]
    office.bury(letters)
    # When the replay is ended in the middle
    process = _interrupted(office, number, random.randint(1, 40))
    process.communicate(timeout=120)
    end(process)
    assert process.returncode != 0
    jobs = office.take(KEPT)
    assert len(set(jobs)) < 200
    # And run again, until none is left (a killed one still holds its letters for a moment)
    until = time.monotonic() + 120
    while len(set(jobs)) < 200:
        assert time.monotonic() < until, f"{len(set(jobs))} of 200"
        left = 200 - len(set(jobs))
        office.run("replay", str(left), "--lease-seconds", str(LEASE_SECONDS))
        jobs += office.take(KEPT)
    # Then none is lost, and only what was under way can be there twice
    assert set(jobs) == set(letters)
    assert len(jobs) - 200 <= 4, "more than one step was done twice"


def test_what_is_missing_is_one_sentence(local_office: PostOffice) -> None:
    """What is not there, and where it was looked for."""
    assert "subscription nobody: " in local_office.run("peek", "1", "--subscription", "nobody").stderr
    assert "topic nobody: " in local_office.run("replay", "1", "--topic=nobody").stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "usage: "),
        (("bury",), "there is no command bury"),
        (("peek",), "peek needs a number from 1 to 10000000 (got none)"),
        (("replay", "0"), "replay needs a number"),
        (("replay", "3", "4"), "what is 4?"),
        (("replay", "3", "--lease-seconds", "9"), "--lease-seconds needs a number from 10 to 600 (got 9)"),
        (("replay", "3", "--topic"), "--topic needs a value"),
        (("replay", "3", "--force"), "there is no option --force"),
        (("stop", "3"), "stop takes no number"),
    ],
)
def test_what_is_not_understood_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    """Before gcloud is asked anything."""
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in {1, 2}
    assert sentence in done.stderr
    assert done.stdout == ""


def test_without_gcloud_it_says_where_to_get_it(tmp_path: Path) -> None:
    """A sentence, and nothing else."""
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


def test_without_a_project_it_asks_for_one(local_office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gcloud without a project and without a metadata server."""
    monkeypatch.setattr(local_office, "project", "")
    assert "which project? gcloud config set project ID" in local_office.run("count").stderr


def test_the_defaults_are_the_topologys() -> None:
    """The script's names are those of contract/topology.py."""
    text = SCRIPT.read_text(encoding="utf-8")
    assert f"subscription={DEAD_LETTER_SUBSCRIPTION} topic={JOBS_TOPIC} " in text
    assert DEAD_LETTER_TOPIC in DEAD_LETTER_SUBSCRIPTION
