"""Tests that hostile pages leave no memory behind in a worker and its processes."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hostile.process_tree import descendants
from tests.servers.pushes import job, push
from tests.servers.site import Site, http
from tests.servers.worker_process import WorkerProcess, running_worker

PAGES = 2000
WARM_UP = 400  #: number of pages after which the caches are full and all processes run
MARGIN_KIB = 48 * 1024  #: growth in KiB that one process more, or an allocator's reserve, may cause
BODY = b"<p>" + b"a" * 40 + b"!<i>1</i>" * 100 + b"<script type='application/ld+json'>[{]</script>"
#: Recipes that fail in different ways on BODY. The first one is killed at its limit of CPU time.
RECIPES: list[dict[str, object]] = [
    {"fields": {"value": {"css": "p", "re": "^(?:a|aa)+$"}}},
    {"fields": {"value": {"xpath": "//i[count(preceding::i) > 999]", "required": True}}},
    {"fields": {"value": {"css": "p", "type": "number", "required": True}}},
    {"fields": {"value": {"xpath": "//i[re:unknown(., 'a')]"}}},
    {"fields": {"value": {"jsonld": "Product.name"}, "all": {"css": "i", "many": True, "type": "html"}}},
    {"fields": {"value": {"css": "p", "transforms": [{"replace": {"a": "b" * 100}}, {"split": "b"}]}}},
    {"fields": {"value": {"xpath": "set:distinct(//i)", "many": True}}, "next": {"xpath": "//i/../.."}},
    {"items": "i", "fields": {"value": {"xpath": ".", "type": "date"}}},
]


@pytest.mark.long
def test_memory_is_flat_over_two_thousand_hostile_pages(pubsub: str, site: Site) -> None:
    """Neither the worker's process nor all processes together keep memory of the pages."""
    settings = {"EXTRACTION_CPU_SECONDS": "0.1", "PAGE_BUDGET_SECONDS": "240", "WAIT_BUDGET_SECONDS": "240"}
    with running_worker(pubsub, CONCURRENCY="20", **settings) as worker:
        _push_pages(worker, site, WARM_UP)
        before = _memory(worker)
        _push_pages(worker, site, PAGES)
        after = _memory(worker)
    growth = {name: after[name] - before[name] for name in before}
    assert max(growth.values()) < MARGIN_KIB, (before, after)


def _push_pages(worker: WorkerProcess, site: Site, count: int) -> None:
    url = site.add("/", http(200, BODY))

    def send(number: int) -> int:
        recipe = {"name": f"r{number % len(RECIPES)}", **RECIPES[number % len(RECIPES)]}
        body = push(job(url=url, recipe=recipe), message_id=secrets.token_hex(8))
        return worker.request("POST", "/", body)[0]

    with ThreadPoolExecutor(4) as threads:
        assert 500 not in set(threads.map(send, range(count)))


def _memory(worker: WorkerProcess) -> dict[str, int]:
    """Return the resident memory of gunicorn's process and of the whole tree, in KiB."""
    tree = descendants(worker.process.pid)
    [gunicorn] = [each for each in tree if "gunicorn" in each.command and each.parent == worker.process.pid]
    return {"gunicorn": gunicorn.memory_kib, "all": sum(each.memory_kib for each in tree)}
