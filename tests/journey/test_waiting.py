"""Tests with real processes that no job dies of waiting for its host's turn, and that no copies multiply."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from google.cloud.pubsub_v1 import PublisherClient

from console.ledger.sqlite_views import table
from console.stack.pubsub_setup import publisher_client, topic_path
from console.stack.services import AckPolicy
from console.stack.stack import Stack
from contract.topology import OUTCOMES_TOPIC
from tests.journey.dispatching import await_accounting, dispatch
from tests.journey.scaled_stack import running_stack
from tests.servers.paced_site import LISTING_RECIPE, PacedSite, serving_paced
from tests.servers.waiting import wait_until

BOTH_POLICIES = pytest.mark.parametrize("ack_policy", list(AckPolicy))


@BOTH_POLICIES
def test_crawl_delay_of_60_pages_costs_no_job(tmp_path: Path, ack_policy: AckPolicy) -> None:
    """60 pages of a site with a Crawl-delay all succeed, although the last one waits 60 times as long."""
    site = PacedSite(crawl_delay=0.2)
    with serving_paced(site), running_stack(tmp_path / "data", ack_policy) as stack:
        began = time.monotonic()
        run_id = dispatch(stack.dispatcher_url, site.pages(60))
        accounting = await_accounting(stack, run_id, lambda now: now.succeeded + now.dead == 60)
        assert (accounting.succeeded, accounting.dead) == (60, 0)
    # And the site was not requested more often than it allows
    assert max(arrived_at for arrived_at, _ in site.requests) - began > 0.2 * 59


@BOTH_POLICIES
def test_a_long_queue_for_one_host_costs_no_job(tmp_path: Path, ack_policy: AckPolicy) -> None:
    """200 pages of a crawl with `delay_seconds` succeed at their first delivery, one after the other."""
    site = PacedSite()
    with serving_paced(site), running_stack(tmp_path / "data", ack_policy) as stack:
        run_id = dispatch(stack.dispatcher_url, site.pages(200), politeness={"delay_seconds": 0.05})
        await_accounting(stack, run_id, lambda now: now.succeeded + now.dead == 200)
        assert stack.ledger.failures(run_id) == []
        assert {result.attempts for result in stack.ledger.results(run_id)} == {1}
    assert len(site.requests) == 200


@BOTH_POLICIES
def test_a_listing_with_a_delay_comes_home_whole(tmp_path: Path, ack_policy: AckPolicy) -> None:
    """All 200 pages of a listing with a delay are scraped, each once, and each item has its own page."""
    site = PacedSite(last_page=200)
    with serving_paced(site), running_stack(tmp_path / "data", ack_policy) as stack:
        url = f"{site.url}/list/1"
        politeness = {"delay_seconds": 0.02}
        run_id = dispatch(stack.dispatcher_url, [url], recipe=LISTING_RECIPE, politeness=politeness)
        accounting = await_accounting(stack, run_id, lambda now: now.succeeded + now.dead == 200)
        assert (accounting.dispatched, accounting.dead) == (200, 0)
        items = {
            (result.url, item["name"]) for result in stack.ledger.results(run_id) for item in result.items
        }
    pages = range(1, 201)
    assert items == {(f"{site.url}/list/{page}", f"{page} {item}") for page in pages for item in "ab"}
    assert len(site.requests) == 200


def test_a_missing_page_breaks_only_its_listing_off(tmp_path: Path) -> None:
    """A listing whose page 3 is missing keeps pages 1 and 2; page 3 is a dead letter with its reason."""
    site = PacedSite(last_page=5, missing={"/list/3"})
    with serving_paced(site), running_stack(tmp_path / "data", AckPolicy.SETTLED) as stack:
        run_id = dispatch(stack.dispatcher_url, [f"{site.url}/list/1"], recipe=LISTING_RECIPE)
        await_accounting(stack, run_id, lambda now: (now.succeeded, now.dead, now.in_flight) == (2, 1, 0))
        [dead] = stack.ledger.dead_jobs(run_id)
        assert (dead.url, dead.reason) == (f"{site.url}/list/3", "http_404")


def test_an_outcomes_topic_that_refuses_multiplies_nothing(tmp_path: Path) -> None:
    """While the outcomes topic is missing, a failing job stays one message; then it is dead-lettered once."""
    site = PacedSite(missing={"/page/0"})
    with serving_paced(site), running_stack(tmp_path / "data", AckPolicy.SETTLED) as stack:
        with publisher_client(stack.pubsub_host) as publisher:
            publisher.delete_topic(topic=topic_path(OUTCOMES_TOPIC), timeout=20)
            run_id = dispatch(stack.dispatcher_url, site.pages(1))
            wait_until(lambda: len(site.requests) >= 4, "the job was delivered four times")
            # Then the job was published only once
            assert jobs_published(stack) == 1
            restore_outcomes_topic(publisher)
        await_accounting(stack, run_id, lambda now: (now.dead, now.in_flight) == (1, 0))
        assert jobs_published(stack) == 1


def jobs_published(stack: Stack) -> int:
    """Return how many messages the jobs topic has received."""
    with closing(sqlite3.connect(stack.ledger.path)) as ledger:
        [(count,)] = ledger.execute(f"SELECT count(DISTINCT message_id) FROM {table('jobs')}")  # noqa: S608 - a constant
    return int(count)


def restore_outcomes_topic(publisher: PublisherClient) -> None:
    """Create the outcomes topic again."""
    publisher.create_topic(name=topic_path(OUTCOMES_TOPIC), timeout=20)
