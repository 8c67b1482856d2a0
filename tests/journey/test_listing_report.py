"""Tests what the commands show of a listing, with real processes."""

import json
from pathlib import Path

from console.stack.services import AckPolicy, StackOptions
from console.stack.stack import Stack
from tests.console.command import run_scrapeq
from tests.servers.paced_site import LISTING_RECIPE, PacedSite, serving_paced


def write_crawl(folder: Path, *urls: str) -> Path:
    """Write a crawl of listings that begin with `urls`; return its path."""
    crawl = folder / "crawl.yaml"
    document = {
        "name": "listings",
        "run_id": "listings-1",
        "sources": {"urls": urls},
        "recipe": LISTING_RECIPE,
    }
    crawl.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML
    return crawl


def test_dispatch_wait_reports_where_a_listing_broke_off(tmp_path: Path) -> None:
    """`dispatch --wait` ends after the last page of each listing, and reports the page that is missing."""
    whole, broken = PacedSite(last_page=30), PacedSite(last_page=5, missing={"/list/3"})
    with (
        serving_paced(whole),
        serving_paced(broken),
        Stack(StackOptions(data=tmp_path / "data", ack_policy=AckPolicy.SETTLED)) as stack,
    ):
        crawl = write_crawl(tmp_path, f"{whole.url}/list/1", f"{broken.url}/list/1")
        data = ("--data", stack.options.data)
        done = run_scrapeq("dispatch", crawl, "--wait", "--dispatcher", stack.dispatcher_url, *data)
        # Then the run ended with all pages, and the missing one is named, as is the last page's odd link
        lines = done.stdout.splitlines()
        assert lines[-1] == "accounting: dispatched=33 succeeded=32 dead=1 in_flight=0", done.output
        broke_off = f"{broken.url}/list/1: broke off at page 3, http_404 (the site answered 404 Not Found)"
        bad_next = "ended after 30 pages: the link to the next page is not a URL that can be fetched"
        assert sorted(line for line in lines if "/list/" in line) == sorted(
            [broke_off, f"{whole.url}/list/1: {bad_next}"]
        )
        # And the results are two sets, whose items have their own pages
        shown = run_scrapeq("results", *data).stdout
        assert "60 items from 30 pages" in shown
        assert "4 items from 2 pages" in shown
        items = [
            json.loads(line)
            for line in run_scrapeq("results", "--format", "jsonl", *data).stdout.splitlines()
        ]
        assert len({item["listing"] for item in items}) == 2
        for item in items:
            assert item["url"].endswith(f"/list/{item['page']}")
            assert item["fields"]["name"].split()[0] == str(item["page"])
