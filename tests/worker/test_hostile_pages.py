"""Hostile pages, to the process that is deployed: none holds it past its budget, or fills its memory."""

from collections.abc import Iterator

import pytest

from tests.servers.site import Site, http
from tests.servers.waiting import wait_until
from tests.servers.worker_process import WorkerProcess, running_worker

BUDGET_SECONDS = 1
SIZE = 5_000_000  #: just below FETCH_MAX_BYTES
PAGES = {
    "attributes without end": "<a " + "".join(f"a{number} " for number in range(SIZE // 8)) + ">",
    "an element in each three bytes": "<p>" * (SIZE // 3),
    "end tags, each compared with all that is open": "<div>" * 2040 + "</b>" * 490_000,
    "elements inside each other": "<div>" * (SIZE // 5),
    "tags that seem to begin inside of tags": "<a b=\"<a b='" * 200_000,
    "many elements with many attributes": ("<a " + " ".join(f"a{number}" for number in range(1990)) + ">")
    * 400,
}


@pytest.fixture(scope="module")
def worker(pubsub: str) -> Iterator[WorkerProcess]:
    """A worker of pages that may take a second."""
    with running_worker(pubsub, PAGE_BUDGET_SECONDS=str(BUDGET_SECONDS)) as worker:
        yield worker


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
def test_no_page_holds_the_worker_inside_of_its_parser(worker: WorkerProcess, site: Site, page: str) -> None:
    """It ends with a reason, or is scraped; and the worker is there for others."""
    status, told = worker.push(site.add("/", http(200, page.encode())))
    assert (status, told.get("reason")) in {
        (422, "too_large"),
        (422, "missing_field"),
        (503, "page_budget_exceeded"),
    }
    assert worker.request("GET", "/healthz")[0] == 200
    wait_until(lambda: any(site.url("/") in line for line in worker.output), "the log has the delivery")
    [line] = [line for line in worker.output if site.url("/") in line]
    assert float(line.partition(" seconds=")[2].split()[0]) < BUDGET_SECONDS + 4
