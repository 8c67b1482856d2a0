"""Tests of a crawl of 500 real pages, from the dispatch to the outcomes."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from console.stack.stack import Stack
from tests.journey.dispatching import await_accounting, dispatch
from tests.journey.emulator import pull_outcomes, services_on
from tests.journey.real_pages import serving_pages
from tests.servers.pubsub import PubsubServer

RECIPE = {
    "name": "manual-page",
    "fields": {
        "title": {"css": "title", "required": True},
        "headings": {"css": "h1, h2, h3", "many": True},
        "first_paragraph": {"css": "p"},
        "links": {"xpath": "count(//a[@href])", "type": "integer", "required": True},
    },
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Yield the URLs of 500 real pages."""
    with serving_pages(tmp_path_factory.mktemp("pages") / "nginx") as urls:
        yield urls


def check_items(items: Iterable[dict[str, Any]], count: int) -> None:
    """Check that there are `count` items, and that they have the titles, headings and links of real pages."""
    found = list(items)
    assert len(found) == count
    assert all(item["title"] for item in found)
    assert sum(len(item["headings"]) for item in found) > count
    assert sum(item["links"] for item in found) > 10 * count


def test_500_real_pages_succeed_on_localpubsub(pages: list[str], stack: Stack) -> None:
    """With localpubsub every dispatched page succeeds, and the ledger has one result for each page."""
    run_id = dispatch(stack.dispatcher_url, pages, recipe=RECIPE)
    accounting = await_accounting(stack, run_id, lambda now: now.succeeded == len(pages))
    assert accounting.adds_up
    assert (accounting.dispatched, accounting.dead, accounting.in_flight) == (len(pages), 0, 0)
    results = list(stack.ledger.results(run_id))
    assert {result.url for result in results} == set(pages)
    check_items((item for result in results for item in result.items), len(pages))


@pytest.mark.emulator
def test_500_real_pages_succeed_on_the_official_emulator(
    pages: list[str], emulator_server: PubsubServer, tmp_path: Path
) -> None:
    """With Google's emulator instead of localpubsub, the same crawl succeeds."""
    with services_on(emulator_server.host, tmp_path / "data") as dispatcher_url:
        run_id = dispatch(dispatcher_url, pages, recipe=RECIPE)
        outcomes = pull_outcomes(emulator_server.host, run_id, set(pages))
    succeeded = {each["job_id"]: each for each in outcomes if each["outcome"] == "succeeded"}
    assert {each["url"] for each in succeeded.values()} == set(pages)
    check_items((item for each in succeeded.values() for item in json.loads(each["items"])), len(pages))
