"""Tests that an operator can cancel, pause and resume, with real processes and the command line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from console.controls.acts import make_act
from console.controls.queue import open_queue
from console.ledger.control_rows import control_acts
from console.stack.pubsub_address import PubsubAddress
from console.stack.services import StackOptions
from console.stack.stack import Stack
from contract.operator_act import Act
from tests.console.command import run_scrapeq
from tests.journey.dispatching import MANY_ATTEMPTS, TITLE_RECIPE, await_accounting, dispatch
from tests.repository.documented_commands import FENCED
from tests.repository.tree import ROOT
from tests.servers.controlled_site import Site, serving_site
from tests.servers.file_ranges import ranges
from tests.servers.paced_site import LISTING_RECIPE, PacedSite, serving_paced
from tests.servers.site import running_site
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

PAGES = 300
PAGES_OF_SHARDS = 1000  #: pages of a dispatch that needs several requests
#: Pages of a run that is paused: so few that not all places among the open pushes are taken by held ones.
PAUSED_PAGES = 12
POLITENESS = {"delay_seconds": 0, "respect_robots": False}
#: The jobs of a host are delivered one by one, and so slowly that a run does not end before it is cancelled.
LANES = {"delay_seconds": 5, "respect_robots": False}
OPEN_PUSHES = 5  #: localpubsub pushes so many jobs before the first is acknowledged


def scrapeq(stack: Stack, *arguments: str) -> str:
    """Run a subcommand for the stack, which must succeed, and return its output."""
    result = run_scrapeq(*arguments, "--data", stack.options.data)
    assert result.exit_code == 0, result.output
    return result.output


def changes_read(stack: Stack) -> int:
    """Return how many times a worker process has read controls that had changed."""
    return (stack.options.data / "logs" / "worker.log").read_text().count("controls_changed")


def count_requests(site: Site) -> int:
    """Return the number of requests that the site has received."""
    return sum(map(len, list(site.requests.values())))


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[Stack]:
    """Yield a stack whose worker has one process. A process that has no jobs does not read the controls."""
    options = StackOptions(data=tmp_path / "data", delivery=MANY_ATTEMPTS, worker_processes=1)
    with Stack(options) as stack:
        yield stack


def test_a_cancelled_run_sends_no_further_request_and_adds_up(one_process: Stack, site: Site) -> None:
    """After `cancel`, no request begins, and the rest of 300 pages is accounted as cancelled."""
    # Given a run whose first requests are under way
    stack = one_process
    site.hold()
    run_id = dispatch(stack.dispatcher_url, site.pages(PAGES, "held"), politeness=POLITENESS)
    wait_until(lambda: count_requests(site) >= OPEN_PUSHES, "the first pages are requested")
    # When it is cancelled, and the worker has read so
    output = scrapeq(stack, "cancel", run_id)
    assert f"Run {run_id} is cancelled: no further request begins after 5 s." in output
    wait_until(lambda: changes_read(stack) >= 1, "the worker has read the label")
    begun = count_requests(site)
    # Then the requests that had begun are finished and recorded, and no further one begins
    site.release()
    output = scrapeq(stack, "cancel", run_id, "--wait")
    accounting = await_accounting(stack, run_id, lambda now: now.dispatched == PAGES and not now.in_flight)
    assert count_requests(site) == begun < PAGES
    # A request that the site does not answer in time is no success; its job is cancelled at its redelivery.
    assert accounting.succeeded <= begun
    assert accounting.succeeded + accounting.cancelled == PAGES
    assert accounting.adds_up
    assert output.splitlines()[-1] == str(accounting)
    # And the status says who has cancelled the run
    [first, *_] = control_acts(stack.ledger)
    assert f"Run {run_id} was cancelled by {first.operator} at {first.acted_at}" in scrapeq(
        stack, "status", run_id
    )
    # And a run that has ended is not cancelled again
    assert "nothing was cancelled" in scrapeq(stack, "cancel", run_id)
    told = json.loads(run_scrapeq("cancel", run_id, "--json", "--data", stack.options.data).stdout)
    assert (told["run_id"], told["cancelled"], told["adds_up"]) == (run_id, accounting.cancelled, True)
    assert [act.act for act in control_acts(stack.ledger)] in (["cancel"], ["cancel"] * 2)


def test_a_cancel_that_is_killed_is_completed_by_the_next(stack: Stack, site: Site) -> None:
    """If the console is killed after its act, giving the command again cancels the run; twice is harmless."""
    run_id = dispatch(stack.dispatcher_url, site.pages(200), politeness=LANES)
    wait_until(lambda: count_requests(site) >= 1, "a page is requested")
    # Given a console that published its act, and was killed
    command = [sys.executable, "-m", "console", "cancel", run_id, "--data", str(stack.options.data)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as console:
        wait_until(lambda: bool(control_acts(stack.ledger)), "the act is in the ledger")
        console.kill()
    # And an act without a label, as if it had been killed even earlier
    with open_queue(PubsubAddress(stack.pubsub_host)) as queue:
        queue.record(make_act(Act.CANCEL, "killed@machine", run_id=run_id))
    # When the command is given twice
    scrapeq(stack, "cancel", run_id)
    output = scrapeq(stack, "cancel", run_id, "--wait")
    # Then the run has ended, lane by lane, and every job is accounted once
    accounting = await_accounting(stack, run_id, lambda now: now.dispatched == 200 and not now.in_flight)
    assert accounting.succeeded + accounting.cancelled == 200
    assert accounting.cancelled > 0
    assert accounting.adds_up
    assert output.splitlines()[-1] == str(accounting)


def test_jobs_that_a_dispatch_publishes_after_the_cancel_are_cancelled(tmp_path: Path, site: Site) -> None:
    """A dispatch that continues in further requests ends, and its later jobs are cancelled as well."""
    environment = {"SHARD_URLS": "200"}
    options = StackOptions(
        data=tmp_path / "data", delivery=MANY_ATTEMPTS, worker_processes=1, environment=environment
    )
    site.hold()
    with Stack(options) as stack, running_site() as files:
        file = {
            "url": files.add("/urls.txt", ranges("\n".join(site.pages(PAGES_OF_SHARDS, "held")).encode()))
        }
        crawl = {
            "name": "shards",
            "sources": {"urls_file": file},
            "recipe": TITLE_RECIPE,
            "politeness": POLITENESS,
        }
        response = requests.post(stack.dispatcher_url, json=crawl, timeout=MAX_WAIT_SECONDS)
        run_id = str(response.json()["run_id"])
        assert response.json()["published"] < PAGES_OF_SHARDS
        wait_until(lambda: run_id in stack.ledger.runs(), "the run is in the ledger")
        scrapeq(stack, "cancel", run_id)
        wait_until(lambda: changes_read(stack) >= 1, "the worker has read the label")
        site.release()
        output = scrapeq(stack, "cancel", run_id, "--wait")
        accounting = stack.ledger.accounting(run_id)
        assert accounting.dispatched == accounting.succeeded + accounting.cancelled == PAGES_OF_SHARDS
        assert accounting.cancelled > 0
        assert str(accounting) in output


def test_the_next_page_of_a_cancelled_listing_is_accounted(stack: Stack) -> None:
    """A listing that is cancelled ends with one cancelled page, and all pages before it are kept."""
    with serving_paced(PacedSite(last_page=900)) as listing:
        urls = [f"{listing.url}/list/1"]
        politeness = {"delay_seconds": 0.5, "respect_robots": False}  # 900 pages take some minutes
        run_id = dispatch(stack.dispatcher_url, urls, recipe=LISTING_RECIPE, politeness=politeness)
        wait_until(lambda: len(listing.requests) >= 3, "some pages are scraped")
        scrapeq(stack, "cancel", run_id, "--wait")
        accounting = stack.ledger.accounting(run_id)
        assert accounting.adds_up
        assert (accounting.cancelled, accounting.in_flight) == (1, 0)
        assert accounting.succeeded == len(listing.requests) < 900


def test_every_command_of_the_guide_works(stack: Stack, site: Site) -> None:
    """The commands of the guide succeed in their order, for a run that is being scraped."""
    run_id = dispatch(stack.dispatcher_url, site.pages(300), politeness=LANES)
    wait_until(lambda: run_id in stack.ledger.runs(), "the run is in the ledger")
    guide = (ROOT / "docs" / "how-to" / "stop-or-pause-a-run.md").read_text(encoding="utf-8")
    blocks = [block.strip().splitlines() for block in FENCED.findall(guide)]
    [cancel], pauses, looks, cloud = blocks
    # tests/console/cloud runs commands with such a variable, and tests/terraform applies the output.
    assert cloud == [
        "export LEDGER=$(terraform -chdir=terraform output -raw ledger_address)",
        "gcloud auth application-default login",
        "scrapeq status",
    ]
    for line in [*pauses, *looks, cancel]:  # a cancelled run cannot be paused any more
        scrapeq(stack, *line.replace("RUN", run_id).split()[1:])
    assert stack.ledger.accounting(run_id).adds_up


@pytest.fixture
def other_site() -> Iterator[Site]:
    """Yield a second site; the test addresses it by another host name."""
    with serving_site() as site:
        site.url = site.url.replace("127.0.0.1", "localhost")
        yield site


@pytest.mark.parametrize("what", ["run", "host"])
def test_a_pause_holds_a_run_or_a_host_and_nothing_else(
    one_process: Stack, site: Site, other_site: Site, what: str
) -> None:
    """What is paused is not requested while others are; after it is resumed, all succeed at once."""
    # Given a run that has begun
    stack = one_process
    site.hold()
    urls = site.pages(PAUSED_PAGES, "held")
    paused = dispatch(stack.dispatcher_url, urls, politeness=POLITENESS)
    wait_until(lambda: count_requests(site) >= OPEN_PUSHES, "the first pages are requested")
    # When it is paused
    target = (paused,) if what == "run" else ("--host", "127.0.0.1")
    done = run_scrapeq("pause", *target, "--for", "1h", "--json", "--data", stack.options.data)
    assert "is paused: no further request begins after 5 s." in done.stderr
    assert json.loads(done.stdout)["is_paused"] is True
    wait_until(lambda: changes_read(stack) >= 1, "the worker has read the label")
    begun = count_requests(site)
    site.release()
    # Then another run on another host is scraped meanwhile
    other = dispatch(stack.dispatcher_url, other_site.pages(20), politeness=POLITENESS)
    await_accounting(stack, other, lambda now: now.succeeded == 20)
    assert count_requests(site) == begun < PAUSED_PAGES
    # And the status says what is paused
    assert "is paused by" in scrapeq(stack, "status", paused)
    # When it is resumed, then all its jobs succeed, and none has spent an attempt on the pause
    assert "is resumed." in scrapeq(stack, "resume", *target)
    await_accounting(stack, paused, lambda now: now.succeeded == PAUSED_PAGES)
    assert "paused" not in {failure.reason for failure in stack.ledger.failures(paused)}
    assert "is paused by" not in scrapeq(stack, "status", paused)
    done = run_scrapeq("resume", *target, "--json", "--data", stack.options.data)
    assert "was not paused; nothing was changed" in done.stderr
    assert json.loads(done.stdout)["was_paused"] is False


def test_a_pause_of_all_survives_a_restart(tmp_path: Path, site: Site) -> None:
    """While everything is paused nothing is delivered, also after a restart; afterwards all jobs succeed."""
    options = StackOptions(data=tmp_path / "data", delivery=MANY_ATTEMPTS)
    with Stack(options) as stack:
        assert not stack.is_paused
        scrapeq(stack, "pause", "--all")
        run_id = dispatch(stack.dispatcher_url, site.pages(10), politeness=POLITENESS)
        await_accounting(stack, run_id, lambda now: now.dispatched == 10)
        scrapeq(stack, "pause", "--all")  # a second pause does not forget the push configuration
    with Stack(options) as stack:
        assert stack.is_paused
        with open_queue(PubsubAddress(stack.pubsub_host)) as queue:
            assert not queue.push_subscription().push_config.push_endpoint
        assert not count_requests(site)
        assert "Everything is resumed." in scrapeq(stack, "resume", "--all")
        await_accounting(stack, run_id, lambda now: now.succeeded == 10)
        assert {result.attempts for result in stack.ledger.results(run_id)} == {1}
