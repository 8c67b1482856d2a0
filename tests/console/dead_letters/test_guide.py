"""Follows the guide to dead letters: each of its commands is run, in the order of the page."""

import json
import shlex
from pathlib import Path

import pytest

from contract.outcome import Reason
from tests.console.command import run_scrapeq
from tests.console.dead_letters.line import MENDED, Line
from tests.repository.documented_commands import FENCED
from tests.repository.tree import ROOT

GUIDE = (ROOT / "docs" / "how-to" / "dead-letters.md").read_text(encoding="utf-8")


def test_every_command_of_the_guide_does_what_it_says(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command ends with status 0, and after the last one every page has succeeded or was dropped."""
    monkeypatch.chdir(tmp_path)
    Path("mended.yaml").write_text(json.dumps(MENDED), encoding="utf-8")
    empty, busy, gone, missing, killed, timeout = line.dispatch(
        "empty", "busy", "gone", "missing", "killed", "timeout"
    )
    line.end([empty], items='[{"title": null}]', item_count=1)
    line.die([busy], Reason.HTTP_5XX, http_status=503)
    line.die([gone], Reason.HTTP_404, http_status=404)
    line.die([missing], Reason.MISSING_FIELD, detail="title: nothing on the page matches h1")
    line.die([killed], None)
    line.die([timeout], Reason.TIMEOUT)
    commands = [text for block in FENCED.findall(GUIDE) for text in block.splitlines()]
    outputs = dict[str, str]()
    for command in commands:
        program, *words = shlex.split(command)
        pubsub = ["--pubsub", line.host] if words[:2] in (["dead", "replay"], ["dead", "drop"]) else []
        done = run_scrapeq(*words, *pubsub, "--data", line.ledger.data)
        assert (program, done.exit_code) == ("scrapeq", 0), f"{command}\n{done.output}"
        outputs[command] = done.stdout
        for job in line.drain():
            line.end([job], original=job.original or "", items='[{"title": "x"}]', item_count=1)
            line.await_states("succeeded", [job])
    ended = line.accounting(dead=1, succeeded=4, replaced=2, dropped=1)
    assert ended.adds_up
    assert outputs["scrapeq acts"].count("replace ") == 2
    assert [each.job_id for each in line.ledger.dead_jobs("run-1")] == [timeout.job_id]
    assert {result.url for result in line.ledger.results("run-1")} == {
        job.url for job in (empty, busy, missing, killed)
    }
