"""Tests of the runbook: every alert has a section, and the commands are valid."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts.replay_project import REPLAYED_JOBS, SCRIPT, Job, ReplayProject

RUNBOOK = SCRIPT.parents[1] / "docs" / "how-to" / "runbook.md"
TEXT = RUNBOOK.read_text(encoding="utf-8")
BY_HAND = re.compile(r"<!-- by hand -->\n```sh\n(.*?)```\n<!-- /by hand -->", re.DOTALL)
ALERTS = {
    "oldest-unacked",
    "dead-letters",
    "infrastructure-dead-letters",
    "refused-pushes",
    "push-failures",
    "server-errors",
    "backlog",
    "ledger-lagging",
    "missed-schedule",
}


def anchors() -> set[str]:
    """Return the anchors of the headings, as GitHub names them."""
    return {title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", TEXT, re.MULTILINE)}


def test_every_alert_has_a_section() -> None:
    """The runbook has a section for every alert, because the alert links to it."""
    assert anchors() >= ALERTS


def test_links_within_the_runbook_lead_somewhere() -> None:
    """Every link within the runbook leads to an existing section."""
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) - anchors() == set()


def test_every_command_of_the_script_is_valid() -> None:
    """Every command and option that the runbook shows for the script is in the script's --help."""
    shown = re.findall(r"scripts/replay-dead-letters\.sh ([^\n`]+)", TEXT)
    usage = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, timeout=120, check=True).stdout
    options = {word for line in shown for word in line.split() if word.startswith("--")}
    assert {option for option in options if f"{option} " not in usage} == set()
    assert {line.split()[0] for line in shown} <= set(re.findall(r"^  ([a-z-]+) ", usage, re.MULTILINE))


@pytest.mark.long_on_emulator
def test_dead_letter_is_replayed_by_the_commands_of_the_runbook(
    project: ReplayProject, tmp_path: Path
) -> None:
    """The commands that the runbook shows for a replay by hand publish the job and remove the dead letter."""
    attributes = {"job_id": "1", "run_id": "books-2026-11-22T06:00:00Z", "host": "shop.example"}
    dead_letter = Job(
        '{"url": "https://shop.example/é", "a": "b\'c"}'.encode(), frozenset(attributes.items()), "k"
    )
    project.set_dead_letter_ack_deadline(600)  # the value in terraform/deadletters.tf; gcloud takes seconds
    project.publish_dead_letters([dead_letter])
    found = BY_HAND.search(TEXT)
    assert found
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", found[1]],
        env=project.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "messageIds:" in done.stdout
    assert project.pull(REPLAYED_JOBS) == [dead_letter]
    assert project.pull("scrape-jobs-dead-pull") == []


@pytest.mark.parametrize("script", sorted(SCRIPT.parent.glob("*.sh")), ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    """Shellcheck reports no problem in any shell script."""
    subprocess.run([Path(sys.executable).with_name("shellcheck"), script], timeout=120, check=True)
