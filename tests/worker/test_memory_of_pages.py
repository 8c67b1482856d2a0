"""The memory of a worker process stays bounded while many large pages are fetched."""

import re
import sys
from pathlib import Path
from threading import Event

import pytest

from tests.servers.site import PendingRequest, Site, http
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until
from tests.servers.worker_process import running_worker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the memory is read from /proc")
PAGES = 60
SIZE = 5_000_000  #: bytes of a page, slightly less than FETCH_MAX_BYTES
#: Bytes that the bodies of all pages may take: 128 MiB for large ones, and 256 KiB to 512 KiB for each other,
#: and what the allocator does not give back. All pages together have 300 MB.
MAX_GROWTH = 200_000_000


def resident_memory(pid: int) -> int:
    """Return the resident memory in bytes of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    own = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(own[1] if own else 0) * 1024 + sum(resident_memory(int(child)) for child in children)


def test_large_pages_wait_until_others_have_ended(pubsub: str, site: Site) -> None:
    """While 60 pages of 5 MB arrive at the same time, only some are in memory, and all get their turn.

    The pages end early, since their extraction would take most of the time.
    """
    is_released = Event()

    def send_all_but_the_end(request: PendingRequest) -> None:
        request.send(http(200, b"x" * SIZE, length=SIZE + 1))
        assert is_released.wait(MAX_WAIT_SECONDS)

    site.add("/", send_all_but_the_end)
    # The page budget does not end before the memory is stable, also on a busy machine.
    budgets = {"PAGE_BUDGET_SECONDS": "160", "WAIT_BUDGET_SECONDS": "400"}
    with running_worker(pubsub, CONCURRENCY="100", **budgets) as worker:
        before = resident_memory(worker.process.pid)
        pushes = [worker.start_push(site.url(f"/?{number}")) for number in range(PAGES)]
        wait_until(lambda: len(site.requests) >= PAGES, "all pages are requested")
        memory = [0]

        def is_stable() -> bool:
            memory.append(resident_memory(worker.process.pid))
            return len(memory) > 50 and memory[-1] == memory[-50]

        try:
            wait_until(is_stable, "the worker's memory does not change")
        finally:
            is_released.set()
        assert {push.result()[1]["reason"] for push in pushes} == {"incomplete_body"}
        assert max(memory) - before < MAX_GROWTH
