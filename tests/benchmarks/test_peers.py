"""Runs every system of `make bench-peers` with a few pages, so that each can still be measured."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import environment, site
from benchmarks.peers.faults import FAULTS
from benchmarks.peers.systems import BARE, SYSTEMS
from tests.repository.tree import ROOT
from tests.servers.requirements import skip_or_fail

PAGES = 20
#: The HTML of some pages is not valid; parsers other than lxml find other elements in them.
OTHER_PARSER = {"limit"}


@pytest.fixture(scope="module")
def measurements(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return one measurement of each system that this machine can run, by its name."""
    if missing := site.missing_packages():
        skip_or_fail(f"pages or nginx are not installed (on Debian: apt install {' '.join(missing)})")
    if not environment.INSTALLED.exists() and not os.environ.get("CI"):
        pytest.skip("the other queues are not installed (make bench-peers ONLY=bare installs them)")
    file = tmp_path_factory.mktemp("peers") / "results.json"
    options = [
        "--pages",
        str(PAGES),
        "--delays",
        "0",
        "--sweeps",
        "1",
        "--rounds",
        "1",
        "--results",
        str(file),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {each["system"]: each for each in json.loads(Path(file).read_text())["measurements"]}


@pytest.mark.parametrize("name", SYSTEMS)
def test_system_scrapes_all_pages_and_is_measured(name: str, measurements: dict[str, dict[str, Any]]) -> None:
    """A system scrapes every page, extracts what the bare loop extracts, and has CPU time and memory."""
    if reason := SYSTEMS[name].missing():
        skip_or_fail(reason)
    found = measurements[name]
    assert found["done"] == PAGES
    # Linux counts in ticks of 10 ms, and the fastest system may need less for so few pages.
    assert found["cpu_seconds"] > 0 or name in OTHER_PARSER
    # The two peaks are measured one after the other, so that of all processes may be a little smaller.
    assert found["memory_mib"] > 0.9 * found["worker_memory_mib"] > 10
    if name not in OTHER_PARSER and not found["twice"]:
        bare = measurements[BARE]
        assert (found["headings"], found["links"]) == (bare["headings"], bare["links"])


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_loses_and_repeats_no_job_of_scrapeq(fault: str, tmp_path: Path) -> None:
    """After each fault of the comparison, every job of Scrapeq has exactly one result."""
    if missing := site.missing_packages():
        skip_or_fail(f"pages or nginx are not installed (on Debian: apt install {' '.join(missing)})")
    if not environment.INSTALLED.exists() and not os.environ.get("CI"):
        pytest.skip("the other queues are not installed (make bench-peers ONLY=bare installs them)")
    file = tmp_path / "faults.json"
    options = ["--only", "scrapeq", "--fault", fault, "--jobs", "300", "--results", str(file)]
    subprocess.run(
        [sys.executable, "-m", "benchmarks.peers.faults", *options], cwd=ROOT, timeout=800, check=True
    )
    [found] = json.loads(file.read_text())
    assert (found["done"], found["missing"], found["twice_in_effect"], found["unexplained"]) == (300, 0, 0, 0)
