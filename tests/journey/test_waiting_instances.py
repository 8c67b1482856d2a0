"""Tests with real processes that several instances share a host's limits, and that deploys cost no job."""

from functools import partial
from pathlib import Path

import pytest

from console.stack.services import AckPolicy
from tests.journey.dispatching import await_accounting, dispatch
from tests.journey.scaled_stack import running_stack
from tests.servers.paced_site import PacedSite, serving_paced
from tests.servers.waiting import wait_until
from tests.servers.worker_fleet import worker_fleet

LONG = pytest.mark.long


@pytest.mark.parametrize(
    ("ack_policy", "per_host"),
    [
        (AckPolicy.SETTLED, 3),
        pytest.param(AckPolicy.SETTLED, 1, marks=LONG),
        pytest.param(AckPolicy.SUCCESS, 1, marks=LONG),
        pytest.param(AckPolicy.SUCCESS, 3, marks=LONG),
    ],
)
def test_retry_after_holds_for_all_instances(tmp_path: Path, ack_policy: AckPolicy, per_host: int) -> None:
    """After a 429, five instances together send at most `per_host` requests until the end of Retry-After."""
    site, other = PacedSite(retry_after=6, refuse_from=20), PacedSite()
    with (
        serving_paced(site),
        serving_paced(other, "127.0.0.2"),
        running_stack(tmp_path / "data", ack_policy) as stack,
        worker_fleet(stack, 5),
    ):
        politeness = {"per_host": per_host}
        run_id = dispatch(stack.dispatcher_url, site.pages(60), politeness=politeness)
        wait_until(lambda: bool(site.refused), "the site has refused a request")
        # When another host is crawled meanwhile, it is finished while the first one waits
        # Two runs of one crawl within a second would have the same run id, so this crawl has another name
        beside = dispatch(stack.dispatcher_url, other.pages(20), name="beside", politeness=politeness)
        await_accounting(stack, beside, lambda now: now.succeeded == 20)
        accounting = await_accounting(stack, run_id, lambda now: now.succeeded + now.dead == 60)
        assert (accounting.succeeded, accounting.dead) == (60, 0)
    first = site.refused[0]
    assert sum(first < time < first + site.retry_after for time, _ in site.requests) <= per_host


@pytest.mark.parametrize("ack_policy", [AckPolicy.SUCCESS, pytest.param(AckPolicy.SETTLED, marks=LONG)])
def test_deploys_cost_no_job(tmp_path: Path, ack_policy: AckPolicy) -> None:
    """Jobs that wait while the worker is replaced three times succeed: SIGTERM only gives them back."""
    site = PacedSite(crawl_delay=0.1)
    with serving_paced(site), running_stack(tmp_path / "data", ack_policy, backoff=1) as stack:
        run_id = dispatch(stack.dispatcher_url, site.pages(60))
        for _ in range(3):
            requested = len(site.requests)
            wait_until(partial(has_more_requests, site, requested), "further pages were requested")
            stack.process("worker").terminate()
            wait_until(lambda: stack.process("worker").exit_status is not None, "the worker has ended")
            stack.start_worker()
        accounting = await_accounting(stack, run_id, lambda now: now.succeeded + now.dead == 60)
        assert (accounting.succeeded, accounting.dead) == (60, 0)


def has_more_requests(site: PacedSite, count: int) -> bool:
    """Return whether the site has received more than `count` requests."""
    return len(site.requests) > count
