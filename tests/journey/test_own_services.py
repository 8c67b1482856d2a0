"""Tests that no crawl reaches the services of the local stack itself."""

from pathlib import Path

from console.stack.services import DeliveryPolicy, StackOptions
from console.stack.stack import Stack
from tests.journey.dispatching import await_dead_jobs, dispatch

FEW_ATTEMPTS = DeliveryPolicy(max_delivery_attempts=5, minimum_backoff_seconds=0, maximum_backoff_seconds=1)


def test_crawl_of_the_own_services_is_refused(tmp_path: Path) -> None:
    """Jobs with the URLs of localpubsub, the dispatcher and the worker end with `refused_address`."""
    with Stack(StackOptions(data=tmp_path / "data", delivery=FEW_ATTEMPTS)) as stack:
        urls = [
            f"{stack.addresses.pubsub_http_url}/state.json",
            f"http://localhost:{stack.pubsub_host.rpartition(':')[2]}/",
            f"{stack.dispatcher_url}/healthz",
            f"{stack.worker_url}/healthz",
        ]
        run_id = dispatch(stack.dispatcher_url, urls)
        dead_jobs = await_dead_jobs(stack, run_id, len(urls))
        assert {dead.url: dead.reason for dead in dead_jobs} == dict.fromkeys(urls, "refused_address")
