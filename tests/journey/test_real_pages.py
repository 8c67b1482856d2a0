"""The main job on real pages: 500 of them, from the dispatcher to distinct outcomes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.stack.services import StackOptions
from console.stack.stack import Stack
from tests.journey.dispatching import MANY_ATTEMPTS, await_accounting, dispatch
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
    """URLs of 500 real pages."""
    with serving_pages(tmp_path_factory.mktemp("pages") / "nginx") as urls:
        yield urls


def scrape_all(stack: Stack, pages: list[str]) -> None:
    """Dispatch the pages, and hold what comes out against what went in."""
    told = dispatch(stack, pages, recipe=RECIPE)
    accounting = await_accounting(stack, told["run_id"], lambda now: now.succeeded == len(pages), 100)
    assert accounting.adds_up
    assert (accounting.dispatched, accounting.dead, accounting.in_flight) == (len(pages), 0, 0)
    results = stack.ledger.results(told["run_id"])
    assert {result.url for result in results} == set(pages)
    items = [item for result in results for item in result.items]
    assert len(items) == len(pages)
    assert all(item["title"] for item in items)
    assert sum(len(item["headings"]) for item in items) > len(pages)
    assert sum(item["links"] for item in items) > 10 * len(pages)


def test_500_real_pages_on_localpubsub(pages: list[str], tmp_path: Path) -> None:
    """The main job: every page dispatched is one succeeded outcome with a title, on our own Pub/Sub."""
    with Stack(StackOptions(data=tmp_path / "data", delivery=MANY_ATTEMPTS)) as stack:
        scrape_all(stack, pages)


@pytest.mark.emulator
def test_500_real_pages_on_the_official_emulator(
    pages: list[str], emulator_server: PubsubServer, tmp_path: Path
) -> None:
    """No part knows which Pub/Sub it speaks to: the same journey on Google's emulator."""
    options = StackOptions(data=tmp_path / "data", delivery=MANY_ATTEMPTS, emulator_host=emulator_server.host)
    with Stack(options) as stack:
        scrape_all(stack, pages)
