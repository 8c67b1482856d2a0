"""The runbook: its sections are where alerts lead, its commands are what gcloud and Pub/Sub understand."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts.replay_project import KEPT, SCRIPT, Job, PostOffice
from tests.servers.requirements import skip_or_fail

RUNBOOK = SCRIPT.parents[1] / "docs" / "how-to" / "runbook.md"
TEXT = RUNBOOK.read_text(encoding="utf-8")
BY_HAND = re.compile(r"<!-- by hand -->\n```sh\n(.*?)```\n<!-- /by hand -->", re.DOTALL)
ALERTS = {
    "oldest-unacked",
    "dead-letters",
    "push-failures",
    "server-errors",
    "backlog",
    "ledger-lagging",
    "missed-schedule",
}


def anchors() -> set[str]:
    """Return where a link into the runbook may lead, as GitHub names headings."""
    return {title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", TEXT, re.MULTILINE)}


def test_every_alert_has_its_section() -> None:
    """Whoever is woken finds what it means."""
    assert anchors() >= ALERTS


def test_links_within_the_runbook_lead_somewhere() -> None:
    """No section is missed that another names."""
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) - anchors() == set()


def test_gcloud_understands_every_command(tmp_path: Path) -> None:
    """Gcloud's own parser takes each, with its flags; the letter by hand is run below."""
    if shutil.which("gcloud") is None:
        skip_or_fail("gcloud is not installed")
    commands = re.findall(r"^gcloud .+$", BY_HAND.sub("", TEXT), re.MULTILINE)
    shown = tmp_path / "commands.md"
    # Of two commands in one block it looks at the first.
    shown.write_text("".join(f"```sh\n{command}\n```\n\n" for command in commands), encoding="utf-8")
    done = subprocess.run(
        ["gcloud", "meta", "lint-gcloud-commands", f"--commands-text-file={shown}"],
        env={**os.environ, "CLOUDSDK_CONFIG": str(tmp_path / "config")},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    told = json.loads(done.stdout)
    assert len(told) == len(commands) > 20
    assert [(each["command_string"], each["error_message"]) for each in told if not each["success"]] == []


def test_the_script_understands_every_command() -> None:
    """The options shown are options of the script."""
    shown = re.findall(r"scripts/replay-dead-letters\.sh ([^\n`]+)", TEXT)
    usage = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, timeout=120, check=True).stdout
    words = {word for line in shown for word in line.split() if word.startswith("--")}
    assert {word for word in words if f"{word} " not in usage} == set()
    assert {line.split()[0] for line in shown} <= set(re.findall(r"^  ([a-z-]+) ", usage, re.MULTILINE))


@pytest.mark.timeout(240)
@pytest.mark.long_on_emulator
def test_a_letter_is_replayed_by_hand(office: PostOffice, tmp_path: Path) -> None:
    """The commands of the runbook, as they stand: the job is there again, and the letter is gone."""
    attributes = {"job_id": "1", "run_id": "books-2026-11-22T06:00:00Z", "host": "shop.example"}
    buried = Job(
        '{"url": "https://shop.example/é", "a": "b\'c"}'.encode(), frozenset(attributes.items()), "k"
    )
    office.bury([buried])
    found = BY_HAND.search(TEXT)
    assert found
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", found[1]],
        env=office.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "messageIds:" in done.stdout
    assert office.take(KEPT) == [buried]
    assert office.take("scrape-jobs-dead-pull") == []


@pytest.mark.parametrize("script", sorted(SCRIPT.parent.glob("*.sh")), ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    """A shell script without the traps of shells."""
    subprocess.run([Path(sys.executable).with_name("shellcheck"), script], timeout=120, check=True)
