"""Tests that the limits of a crawl are kept during its run, with real processes and the command line."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from typer.testing import Result

from console.ledger.control_rows import control_acts
from console.ledger.open_ledger import open_ledger
from console.stack.stack import Stack
from tests.console.command import run_scrapeq
from tests.console.detached import detached_stack
from tests.journey.dispatching import TITLE_RECIPE, await_accounting, dispatch
from tests.servers.controlled_site import Site
from tests.servers.waiting import wait_until

PAGES = 40


def one_by_one(delay_seconds: float) -> dict[str, object]:
    """Return a politeness with which few pages are requested before a run is cancelled."""
    return {"delay_seconds": delay_seconds, "respect_robots": False}


def test_no_page_is_requested_after_until(stack: Stack, site: Site) -> None:
    """With three seconds between two pages and 20 seconds to go, most of 40 pages end as `run_limit`."""
    until = (datetime.now(UTC) + timedelta(seconds=20)).isoformat()
    urls = site.pages(PAGES)
    run_id = dispatch(stack.dispatcher_url, urls, politeness=one_by_one(3), limits={"until": until})
    accounting = await_accounting(stack, run_id, lambda now: now.dispatched == PAGES and not now.in_flight)
    assert accounting.adds_up
    assert accounting.succeeded + accounting.cancelled == PAGES
    assert accounting.cancelled > PAGES / 2
    reasons = stack.ledger.rows(
        "SELECT DISTINCT reason FROM `${ledger}.outcomes` WHERE run_id = ? AND outcome = 'cancelled'", run_id
    )
    assert reasons == [("run_limit",)]


def test_run_that_reaches_its_bytes_is_cancelled_by_the_command_that_waits(stack: Stack, site: Site) -> None:
    """`scrapeq wait` cancels the run when its pages have the bytes of the limit, and says so."""
    run_id = dispatch(stack.dispatcher_url, site.pages(PAGES), politeness=one_by_one(5), limits={"bytes": 1})
    wait_until(lambda: bool(stack.ledger.accounting(run_id).succeeded), "a page is recorded")
    result = run_scrapeq("wait", run_id, "--data", stack.options.data)
    assert f"Run {run_id} is cancelled, because its pages have " in result.output
    accounting = stack.ledger.accounting(run_id)
    assert accounting.adds_up
    assert accounting.succeeded + accounting.cancelled == PAGES
    assert accounting.cancelled > 0
    [act] = control_acts(stack.ledger)
    assert (act.act, act.operator, act.run_id) == ("cancel", "limit bytes", run_id)


#: The crawl of 40 pages costs $0.00017 by the forecast, in which ten pages share an instance.
COSTLY: Final = {
    "name": "costly",
    "run_id": "costly-1",
    "recipe": TITLE_RECIPE,
    "politeness": {"delay_seconds": 0, "respect_robots": False},
}
SHORT_BACKOFF = ("--minimum-backoff", 1, "--maximum-backoff", 1, "--max-delivery-attempts", 100)


def test_up_stops_a_run_by_its_dollars_and_dispatch_refuses_too_few(tmp_path: Path, site: Site) -> None:
    """A run that costs more than forecast is cancelled by `scrapeq up`, though no command waits for it.

    The forecast is compared before: with a limit below it, the crawl is refused and nothing is requested.
    """
    data, file = tmp_path / "data", tmp_path / "crawl.yaml"
    with detached_stack(data, *SHORT_BACKOFF):

        def dispatch_with(usd: float) -> Result:
            crawl = COSTLY | {"sources": {"urls": site.pages(PAGES, "slow")}, "limits": {"usd": usd}}
            file.write_text(json.dumps(crawl))
            return run_scrapeq("dispatch", file, "--data", data)

        # Given a limit that the forecast exceeds, then the crawl is refused before anything is sent
        refused = dispatch_with(0.0001)
        assert refused.exit_code == 2, refused.stdout
        assert "refused: limits.usd is $0.00010, but the run likely costs $0.00017" in refused.stderr
        assert not site.requests
        # Given a limit that it does not exceed, but pages that are tried again and again
        dispatched = dispatch_with(0.0002)
        assert dispatched.exit_code == 0, dispatched.stderr
        assert "warning: limits.usd is $0.00020, and the run may cost" in dispatched.stdout
        # Then the stack itself cancels the run when its bill has reached the limit, and says so
        ledger = open_ledger(data)
        wait_until(lambda: bool(control_acts(ledger)), "the run is cancelled")
        [act] = control_acts(ledger)
        assert (act.act, act.operator, act.run_id) == ("cancel", "limit usd", "costly-1")
        # And every job is accounted as cancelled, once
        waited = run_scrapeq("wait", "costly-1", "--data", data)
        assert waited.exit_code == 3
        accounting = ledger.accounting("costly-1")
        assert (accounting.dispatched, accounting.cancelled, accounting.in_flight) == (PAGES, PAGES, 0)
        assert accounting.adds_up
        sentence = "Run costly-1 is cancelled, because its bill is likely $"
        assert sentence in run_scrapeq("logs", "up", "--data", data).stdout
        assert "was cancelled by limit usd" in run_scrapeq("status", "costly-1", "--data", data).stdout
