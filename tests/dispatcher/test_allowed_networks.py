"""Tests that a sitemap on the public internet does not lead to the networks that an operator allows."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from contract.job import Job
from dispatcher.dispatch import Dispatcher, DispatchResponse
from dispatcher.sources.opening import SourceOpener
from guarded_http.client import make_client
from tests.servers.public_address import PRIVATE_NETWORK, PUBLIC_ADDRESS, count_as_public
from tests.servers.recording_publisher import RecordingPublisher
from tests.servers.site import Site, http, running_site

URLSET = b"<urlset><url><loc>%s</loc></url></urlset>"
INDEX = b"<sitemapindex><sitemap><loc>%s</loc></sitemap></sitemapindex>"


@pytest.fixture
def public_site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site at an address that counts as public."""
    count_as_public(monkeypatch)
    with running_site(host=PUBLIC_ADDRESS) as site:
        yield site


def dispatch(sitemap: str, *urls: str, site: str | None = None) -> tuple[DispatchResponse, dict[str, bool]]:
    """Dispatch a crawl; return the response, and for each job's URL whether it may be public only."""
    opener = SourceOpener(make_client("t", PRIVATE_NETWORK), "t", 120, 100_000)
    publisher = RecordingPublisher()
    crawl = {
        "name": "books",
        "sources": {"sitemap": sitemap or None, "urls": urls, "foreign_sitemaps": True, "site": site},
        "recipe": {"name": "book", "fields": {"title": {"css": "h1"}}},
    }
    dispatcher = Dispatcher(publisher, opener, lambda: datetime(2026, 11, 22, tzinfo=UTC))
    response = dispatcher.dispatch(json.dumps(crawl).encode(), schedule_time="", traceparent="")
    jobs = [Job.decode(message.data) for message in publisher.published]
    return response, {job.url: job.public_only for job in jobs}


def test_page_of_a_public_sitemap_may_not_be_at_an_allowed_network(public_site: Site, site: Site) -> None:
    """A job whose URL comes from a public sitemap is public only; one of the crawl itself is not."""
    own, listed = site.url("/own"), site.url("/listed")
    _, jobs = dispatch(public_site.add("/s.xml", http(200, URLSET % listed.encode())), own)
    assert jobs == {own: False, listed: True}


def test_sitemap_that_a_public_index_lists_may_not_be_at_an_allowed_network(
    public_site: Site, site: Site
) -> None:
    """A public index that lists a sitemap at an allowed network is unreadable."""
    listed = site.add("/s.xml", http(200, URLSET % site.url().encode()))
    response, jobs = dispatch(public_site.add("/index.xml", http(200, INDEX % listed.encode())))
    assert (response.status, jobs, site.requests) == (400, {}, [])
    assert "refused_address" in str(response.body["error"])


def test_page_of_a_sitemap_at_an_allowed_network_may_be_there(site: Site) -> None:
    """A job whose URL comes from a sitemap at an allowed network may contact that network."""
    page = site.url("/page")
    _, jobs = dispatch(site.add("/s.xml", http(200, URLSET % page.encode())))
    assert jobs == {page: False}


def test_sitemap_that_a_public_robots_txt_names_may_not_be_at_an_allowed_network(
    public_site: Site, site: Site
) -> None:
    """A public robots.txt that names a sitemap at an allowed network causes no request there."""
    named = site.add("/s.xml", http(200, URLSET % site.url().encode()))
    public_site.add("/robots.txt", http(200, f"Sitemap: {named}".encode()))
    response, jobs = dispatch("", site=public_site.url("/"))
    assert (response.status, jobs, site.requests) == (400, {}, [])
    assert "refused_address" in str(response.body["error"])
