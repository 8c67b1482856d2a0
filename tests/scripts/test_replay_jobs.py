"""Tests of `replay-jobs FILE`, and of the runbook's commands that replay what the infrastructure caused."""

import os
import re
import subprocess
import sys
from pathlib import Path

from console.ledger.ledger import Ledger
from contract.topology import DEAD_LETTER_SUBSCRIPTION
from tests.console.ledger.rows import dead_letter_row, outcome_row, record
from tests.repository.tree import ROOT
from tests.scripts.replay_project import REPLAYED_JOBS, Job, ReplayProject, job
from tests.servers.waiting import wait_for

RUNBOOK = (ROOT / "docs" / "how-to" / "runbook.md").read_text(encoding="utf-8")
COMMANDS = re.compile(r"<!-- infrastructure -->\n```sh\n(.*?)```\n<!-- /infrastructure -->", re.DOTALL)
#: A program `bq` that runs its query on the ledger of the directory in LEDGER, and prints the rows as CSV.
#: SQLite has the view, but not the function that bounds it.
BQ = r"""#!{python}
import os, re, sqlite3, sys
query = re.sub(r"scrapeq\.job_state_since\(.+? DAY\)\)", '"scrapeq.job_state"', sys.argv[-1])
cursor = sqlite3.connect(os.environ["LEDGER"]).execute(query)
print(",".join(name for name, *_ in cursor.description))
for row in cursor:
    print(",".join(map(str, row)))
"""


def without_added_attributes(jobs: list[Job]) -> set[Job]:
    """Return dead letters as the jobs that they were."""
    return {
        each._replace(
            attributes=frozenset(pair for pair in each.attributes if "CloudPubSubDeadLetter" not in pair[0])
        )
        for each in jobs
    }


def pull_until(project: ReplayProject, subscription: str, count: int) -> list[Job]:
    """Pull from a subscription until `count` messages were received."""
    pulled = list[Job]()

    def pull_more() -> int:
        pulled.extend(project.pull(subscription))
        return len(pulled)

    wait_for(pull_more, lambda number: number >= count, f"{count} messages of {subscription}")
    return pulled


def test_replay_jobs_replays_only_the_jobs_of_the_file(project: ReplayProject, tmp_path: Path) -> None:
    """Of 600 dead letters, those of three jobs are published; the others stay and are available at once."""
    dead_letters = [job(number) for number in range(600)]
    project.publish_dead_letters(dead_letters)
    file = tmp_path / "jobs.txt"
    file.write_text("7\n555\n\n8\nno-such-job\n")
    # When a dry run is followed by the replay
    assert "would be published to scrape-jobs: " in project.run("replay-jobs", str(file), "--dry-run").stdout
    assert project.pull(REPLAYED_JOBS) == []
    done = project.run("replay-jobs", str(file))
    # Then these three are jobs again, once
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        ["3 dead letters were replayed", "1 of the 4 jobs have no dead letter"],
    ), done.stderr
    replayed = pull_until(project, REPLAYED_JOBS, 3)
    assert sorted(replayed) == sorted([dead_letters[7], dead_letters[8], dead_letters[555]])
    # And the others are dead letters
    remaining = pull_until(project, DEAD_LETTER_SUBSCRIPTION, 597)
    assert without_added_attributes(remaining) == set(dead_letters) - set(replayed)


def test_dead_letters_of_the_infrastructure_are_replayed_by_the_commands_of_the_runbook(
    local_project: ReplayProject, tmp_path: Path
) -> None:
    """The runbook's commands publish the jobs that the infrastructure ended, and no others."""
    # Given four dead letters, of which the pages of 1 and 3 failed at each delivery
    dead_letters = [job(number) for number in range(4)]
    local_project.publish_dead_letters(dead_letters)
    ledger = Ledger(tmp_path)
    ledger.create()
    failed = [
        outcome_row(name, number, attempt=number, reason="http_404")
        for name in ("1", "3")
        for number in range(1, 6)
    ]
    record(ledger, [*failed, *(dead_letter_row(str(number), 9) for number in range(4))])
    # And a `bq` that queries this ledger
    bq = tmp_path / "bin" / "bq"
    bq.parent.mkdir()
    bq.write_text(BQ.format(python=sys.executable))
    bq.chmod(0o755)
    # When the commands are run
    found = COMMANDS.search(RUNBOOK)
    assert found
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", found[1].replace("scripts/", f"{ROOT}/scripts/")],
        env={
            **local_project.environment,
            "PATH": f"{bq.parent}:{os.environ['PATH']}",
            "LEDGER": str(ledger.path),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    # Then the jobs of the other two are published
    assert done.returncode == 0, done.stderr
    assert "2 dead letters were replayed" in done.stdout
    replayed = pull_until(local_project, REPLAYED_JOBS, 2)
    assert set(replayed) == {dead_letters[0], dead_letters[2]}
    assert len(local_project.pull(DEAD_LETTER_SUBSCRIPTION)) == 2
