"""Tests hostile pages with a worker process: none of them blocks the worker beyond the page budget."""

from collections.abc import Iterator

import pytest

from tests.servers.site import Site, http
from tests.servers.waiting import wait_until
from tests.servers.worker_process import WorkerProcess, running_worker

BUDGET_SECONDS = 1
MAX_SECONDS = 60  #: maximum duration of an attempt in seconds; high, because a busy machine is slow
SIZE = 5_000_000  #: size of a page in bytes, slightly less than FETCH_MAX_BYTES
PAGES = {
    "one element with very many attributes": "<a " + "".join(f"a{n} " for n in range(SIZE // 8)) + ">",
    "very many elements": "<p>" * (SIZE // 3),
    "end tags that are compared with every open element": "<div>" * 2040 + "</b>" * 490_000,
    "deeply nested elements": "<div>" * (SIZE // 5),
    "tags that seem to start within tags": "<a b=\"<a b='" * 200_000,
    "many elements with many attributes": ("<a " + " ".join(f"a{n}" for n in range(1990)) + ">") * 400,
}


@pytest.fixture(scope="module")
def worker(pubsub: str) -> Iterator[WorkerProcess]:
    """A worker whose page budget is one second."""
    with running_worker(pubsub, PAGE_BUDGET_SECONDS=str(BUDGET_SECONDS)) as worker:
        yield worker


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
def test_page_that_is_slow_to_parse_does_not_block_the_worker(
    worker: WorkerProcess, site: Site, page: str
) -> None:
    """The attempt ends within MAX_SECONDS with one of these reasons; the worker accepts other requests."""
    status, document = worker.push(site.add("/", http(200, page.encode())))
    assert (status, document.get("reason")) in {
        (422, "too_large"),
        (422, "missing_field"),
        (503, "page_budget_exceeded"),
    }
    assert worker.request("GET", "/healthz")[0] == 200
    wait_until(lambda: any(site.url("/") in line for line in worker.output), "the log has the delivery")
    [line] = [line for line in worker.output if site.url("/") in line]
    assert float(line.partition(" seconds=")[2].split()[0]) < MAX_SECONDS
