"""Tests of scripts/export-sbom.sh with a gcloud of a few lines, which stands for Google's scan."""

import subprocess
from pathlib import Path

import pytest

from tests.repository.tree import ROOT
from tests.rollout.images import STABLE, link_programs

IMAGE = f"registry.example/p/scrapeq/worker@sha256:{'0' * 64}"
#: Notes each call. The scan of an image has the states of the file `states`, one for each question.
GCLOUD = """#!/usr/bin/env bash
echo "$*" >> "{folder}/calls"
if [[ $* == *"images describe"* ]]; then
  { read -r state; rest=$(cat); } < "{folder}/states"
  [[ -z $rest ]] || echo "$rest" > "{folder}/states"
  echo "$state"
fi
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the program gcloud, and a file with the name of an image."""
    programs = link_programs(STABLE, tmp_path / "bin")
    (programs / "gcloud").unlink(missing_ok=True)
    (programs / "gcloud").write_text(GCLOUD.replace("{folder}", str(tmp_path)), encoding="utf-8")
    (programs / "gcloud").chmod(0o755)
    (tmp_path / "worker.image").write_text(f"{IMAGE}\n", encoding="utf-8")
    return tmp_path


def export(folder: Path, states: list[str], seconds: int) -> subprocess.CompletedProcess[str]:
    """Run the script while the scan has these states, one after the other; the last one stays."""
    (folder / "states").write_text("".join(f"{state}\n" for state in states), encoding="utf-8")
    return subprocess.run(
        [ROOT / "scripts" / "export-sbom.sh", "my-project", folder / "worker.image"],
        env={
            "PATH": str(folder / "bin"),
            "EXPORT_SBOM_SECONDS": str(seconds),
            "EXPORT_SBOM_PAUSE": "0",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_export_follows_the_end_of_the_scan(folder: Path) -> None:
    """The bill of materials is exported once, after the scan of the image has ended."""
    done = export(folder, ["", "PENDING", "SCANNING", "FINISHED_SUCCESS"], seconds=100)
    assert done.returncode == 0, done.stderr
    calls = (folder / "calls").read_text(encoding="utf-8").splitlines()
    assert [call.split()[1] for call in calls] == ["docker"] * 4 + ["sbom"]
    assert calls[-1] == f"artifacts sbom export --project=my-project --uri={IMAGE}"


def test_a_scan_that_does_not_end_is_reported_with_the_command_for_later(folder: Path) -> None:
    """If the scan does not end in time, the script fails, and prints the command to be run later."""
    done = export(folder, ["SCANNING"], seconds=0)
    assert done.returncode == 1
    assert f"gcloud artifacts sbom export --uri={IMAGE}" in done.stderr
    assert "sbom export" not in (folder / "calls").read_text(encoding="utf-8")
