"""A dispatch that needs several requests is followed to its end, and shows what each of them found."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.stack.services import StackOptions
from console.stack.stack import Stack
from tests.console.command import run_scrapeq
from tests.servers.controlled_site import Site
from tests.servers.dispatcher_process import RECIPE
from tests.servers.file_ranges import ranges
from tests.servers.site import http, running_site

URLS = 1_050


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Yield a running stack whose dispatcher reads about 200 URLs in a request."""
    options = StackOptions(data=tmp_path / "data", environment={"SHARD_URLS": "200"})
    with Stack(options) as stack:
        yield stack


def test_dispatch_wait_follows_all_requests_and_shows_their_faults(
    stack: Stack, site: Site, tmp_path: Path
) -> None:
    """All jobs of a file of 1,050 lines are waited for; an invalid line of the last request is shown."""
    with running_site() as files:
        lines = [*site.pages(URLS - 1), "nonsense"]
        crawl = tmp_path / "crawl.json"
        sources = {
            "urls_file": {"url": files.add("/urls.txt", ranges("\n".join(lines).encode()))},
            "sitemap": files.add("/missing.xml", http(404)),
        }
        crawl.write_text(
            json.dumps({"name": "books", "run_id": "long", "sources": sources, "recipe": RECIPE})
        )
        data = ("--data", stack.options.data)
        done = run_scrapeq("dispatch", crawl, "--wait", "--dispatcher", stack.dispatcher_url, *data)
        status = run_scrapeq("status", *data)
    assert done.exit_code == 0, done.output
    first, _, last = done.stdout.partition("The dispatch continues in further requests")
    assert "nonsense" not in first
    words = " ".join(last.partition("The dispatch is complete.")[2].split())
    assert f"published as jobs {URLS - 1}" in words
    assert "nonsense" in words
    assert "answered 404" in words
    assert f"accounting: dispatched={URLS - 1} succeeded={URLS - 1} dead=0 in_flight=0" in words
    assert "dispatch: complete (" in status.stdout
    assert f"{URLS - 1} jobs published, 1 rejected, 1 not read completely)" in status.stdout
    assert "nonsense" in status.stdout
