"""Tests of `scrapeq up` in the background, and of the commands that find, show and stop it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from console.cli.up import address_lines
from console.stack.addresses import Addresses
from console.stack.stack_file import is_running, read_stack
from tests.console.command import Scrapeq
from tests.console.detached import FREE_PORTS, detached_stack, scrapeq_process
from tests.repository.tree import ROOT
from tests.servers.processes import descendant_groups
from tests.servers.processes import is_running as is_group_running
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

CRAWL: Final = """\
name: refused
run_id: refused-1
sources: {urls: ["http://127.0.0.1:9/"]}
recipe: {name: page, fields: {title: {css: h1}}}
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Start `scrapeq up --detach` in a new data directory; yield the directory and what was printed."""
    data = tmp_path_factory.mktemp("detached") / "data"
    with detached_stack(data, "--ack-policy", "settled") as (_, printed):
        yield data, printed


def test_up_prints_the_address_of_the_state_page(tmp_path: Path) -> None:
    """One line has the URL of localpubsub's state page, which shows each subscription's backlog."""
    addresses = Addresses("127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", "http://127.0.0.1:4")
    assert "  state page  http://127.0.0.1:2/" in address_lines(addresses, tmp_path)


def test_detached_stack_is_healthy_and_says_how_to_stop_it(started: tuple[Path, str]) -> None:
    """When the command has returned, the stack is ready with the given options; the output names `down`."""
    data, printed = started
    record = read_stack(data)
    assert record
    assert (record.is_ready, record.ack_policy) == (True, "settled")
    assert f"(process {record.pid}). `scrapeq down --data {data}` stops it." in printed
    assert f"  dispatcher  {record.addresses.dispatcher_url}\n" in printed


def test_second_up_in_a_data_directory_names_the_running_one(
    started: tuple[Path, str], scrapeq: Scrapeq
) -> None:
    """Both forms of `up` are refused with the process, and with the command that stops it."""
    data, _ = started
    record = read_stack(data)
    assert record
    for options in ([], ["--detach"]):
        done = scrapeq("up", "--data", data, *options)
        assert done.exit_code == 2
        assert f"(process {record.pid}, dispatcher {record.addresses.dispatcher_url})" in done.stderr
        assert f"`scrapeq down --data {data}`" in done.stderr


def test_logs_of_one_service_or_all_are_shown(started: tuple[Path, str], scrapeq: Scrapeq) -> None:
    """Each line follows the name of its service; with --json it is an object with both."""
    data, _ = started
    shown = scrapeq("logs", "--data", data).stdout
    assert "pubsub     | localpubsub: gRPC on " in shown
    line, *_ = scrapeq("logs", "pubsub", "-n", 1, "--json", "--data", data).stdout.splitlines()
    assert json.loads(line)["service"] == "pubsub"
    assert json.loads(line)["text"].startswith("localpubsub: ")


def test_unknown_service_is_answered_with_a_similar_one(started: tuple[Path, str], scrapeq: Scrapeq) -> None:
    """If there is no such log, the message suggests a similar name, and lists the others."""
    data, _ = started
    done = scrapeq("logs", "wroker", "--data", data)
    assert (done.exit_code, "Did you mean worker?" in done.stderr) == (2, True)


def test_logs_without_a_stack_say_that_none_has_run(tmp_path: Path, scrapeq: Scrapeq) -> None:
    """In a directory without logs the command says so, and what would make them."""
    done = scrapeq("logs", "--data", tmp_path)
    assert (done.exit_code, "`scrapeq up --data" in done.stderr) == (1, True)


def test_down_stops_the_stack_and_shows_its_accounting(started: tuple[Path, str], tmp_path: Path) -> None:
    """`logs --follow` shows new lines and ends with the stack; `down` ends every process, and accounts."""
    # Given a job of the stack, which was dispatched without its address, and a command that follows the logs
    data, _ = started
    record = read_stack(data)
    assert record
    crawl = tmp_path / "crawl.yaml"
    crawl.write_text(CRAWL)
    dispatched = scrapeq_process("dispatch", crawl, "--data", data)
    assert dispatched.returncode == 0, dispatched.stderr
    job = ("job", "http://127.0.0.1:9/", "--json", "--data", data)
    wait_until(lambda: '"reason": "connect"' in scrapeq_process(*job).stdout)
    groups = descendant_groups(record.pid)
    with subprocess.Popen(
        [sys.executable, "-m", "console", "logs", "--follow", "-n", "1", "--data", str(data)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as follower:
        assert follower.stdout
        assert follower.stdout.readline()
        # When the stack is stopped
        done = scrapeq_process("down", "--data", data)
        followed, _ = follower.communicate(timeout=MAX_WAIT_SECONDS)
    # Then the accounting has the job, no process is left, and the last lines were followed
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("accounting: dispatched=1 succeeded=0 dead=0 in_flight=1")
    assert not is_running(data)
    wait_until(lambda: not any(map(is_group_running, groups)), "no process is left")
    assert follower.returncode == 0
    assert "up         | Stopped." in followed
    # And there is nothing to stop any more
    again = scrapeq_process("down", "--data", data)
    assert (again.returncode, f"No `scrapeq up` runs in {data}." in again.stderr) == (1, True)


def test_detached_stack_that_does_not_start_prints_why(tmp_path: Path) -> None:
    """If a service does not start, the exit status is 1, the message has its log, and nothing runs."""
    data = tmp_path / "data"
    done = scrapeq_process("up", "--detach", "--data", data, *FREE_PORTS, PAGE_BUDGET_SECONDS="1e9")
    assert done.returncode == 1
    assert "The worker has ended" in done.stderr
    assert "PAGE_BUDGET_SECONDS" in done.stderr
    assert not is_running(data)
