"""Tests that the limits of a crawl are kept during its run, with real processes and the command line."""

from datetime import UTC, datetime, timedelta

from console.ledger.control_rows import control_acts
from console.stack.stack import Stack
from tests.console.command import run_scrapeq
from tests.journey.dispatching import await_accounting, dispatch
from tests.servers.controlled_site import Site
from tests.servers.waiting import wait_until

PAGES = 40
ONE_BY_ONE = {"delay_seconds": 1, "respect_robots": False}


def test_no_page_is_requested_after_until(stack: Stack, site: Site) -> None:
    """With a second between two pages and five seconds to go, most of 40 pages end as `run_limit`."""
    until = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    urls = site.pages(PAGES)
    run_id = dispatch(stack.dispatcher_url, urls, politeness=ONE_BY_ONE, limits={"until": until})
    accounting = await_accounting(stack, run_id, lambda now: bool(now.dispatched) and not now.in_flight)
    assert accounting.adds_up
    assert accounting.succeeded + accounting.cancelled == PAGES
    assert accounting.cancelled > PAGES / 2
    reasons = stack.ledger.rows(
        "SELECT DISTINCT reason FROM `${ledger}.outcomes` WHERE run_id = ? AND outcome = 'cancelled'", run_id
    )
    assert reasons == [("run_limit",)]


def test_run_that_reaches_its_bytes_is_cancelled_by_the_command_that_waits(stack: Stack, site: Site) -> None:
    """`scrapeq wait` cancels the run when its pages have the bytes of the limit, and says so."""
    run_id = dispatch(stack.dispatcher_url, site.pages(PAGES), politeness=ONE_BY_ONE, limits={"bytes": 1})
    wait_until(lambda: bool(stack.ledger.accounting(run_id).succeeded), "a page is recorded")
    result = run_scrapeq("wait", run_id, "--data", stack.options.data)
    assert f"Run {run_id} is cancelled, because its pages have " in result.output
    accounting = stack.ledger.accounting(run_id)
    assert accounting.adds_up
    assert accounting.succeeded + accounting.cancelled == PAGES
    assert accounting.cancelled > 0
    [act] = control_acts(stack.ledger)
    assert (act.act, act.operator, act.run_id) == ("cancel", "limit bytes", run_id)
