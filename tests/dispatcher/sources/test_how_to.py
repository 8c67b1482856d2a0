"""A dispatcher process dispatches the crawls of the page "Choose the pages of a crawl"."""

import gzip
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from contract.job import Job
from tests.dispatcher.sitemaps.examples import urlset
from tests.repository.tree import ROOT
from tests.servers.dispatcher_process import DispatcherProcess, running_dispatcher
from tests.servers.pubsub_client import PubsubClient, running_localpubsub
from tests.servers.site import Site, http

PAGE = ROOT / "docs" / "how-to" / "choose-the-pages.md"
TOPIC = "projects/p/topics/scrape-jobs"
SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def pubsub() -> Iterator[PubsubClient]:
    """A Pub/Sub with the topic of jobs."""
    with running_localpubsub() as client:
        client.publisher.create_topic(name=TOPIC)
        yield client


@pytest.fixture(scope="module")
def dispatcher(pubsub: PubsubClient) -> Iterator[DispatcherProcess]:
    """A dispatcher process that publishes to it."""
    with running_dispatcher(pubsub.server.host) as dispatcher:
        yield dispatcher


def crawls() -> dict[str, str]:
    """Return the crawls of the page by their names."""
    examples = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return {yaml.safe_load(text)["name"]: text for text in examples}


def dispatch(
    name: str, site: Site, pubsub: PubsubClient, dispatcher: DispatcherProcess
) -> tuple[dict[str, Any], list[str]]:
    """Dispatch a crawl of the page for a site instead of shop.example; return the response and the URLs."""
    subscription = pubsub.subscription(TOPIC)
    crawl = json.loads(json.dumps(yaml.safe_load(crawls()[name])).replace(SHOP, site.url("")))
    response = dispatcher.dispatch(crawl.pop("sources"), **crawl)
    messages = pubsub.pull(subscription, response["published"])
    urls = [Job.decode(each.message.data).url.replace(site.url(""), SHOP) for each in messages]
    return response, sorted(urls)


def test_every_crawl_of_the_page_has_a_test() -> None:
    """The page has no crawl that is not dispatched here."""
    assert list(crawls()) == ["numbered", "listed", "products", "changed"]


def test_numbered_pages_become_jobs(site: Site, pubsub: PubsubClient, dispatcher: DispatcherProcess) -> None:
    """The template stands for 40 pages in each of two languages, and nothing is requested."""
    response, urls = dispatch("numbered", site, pubsub, dispatcher)
    pages = [f"{SHOP}/{language}/list?page={page}" for language in ("de", "fr") for page in range(1, 41)]
    assert urls == sorted(pages)
    [counts] = response["sources"]
    assert (counts["source"], counts["found"], counts["published"]) == ("sources.template.0", 80, 80)
    assert site.requests == []


def test_urls_of_a_file_become_jobs(site: Site, pubsub: PubsubClient, dispatcher: DispatcherProcess) -> None:
    """The gzipped CSV file is read, and a row without a URL is rejected with its line."""
    rows = f'id,link\n1,{site.url("/1")}\n2,\n3,"{site.url("/3")}"\n'
    site.add("/exports/products.csv.gz", http(200, gzip.compress(rows.encode())))
    response, urls = dispatch("listed", site, pubsub, dispatcher)
    assert urls == [f"{SHOP}/1", f"{SHOP}/3"]
    [rejected] = response["rejected"]
    assert rejected["why"] == "line 3: the scheme must be http or https; it is missing"


def test_products_of_a_site_become_jobs(
    site: Site, pubsub: PubsubClient, dispatcher: DispatcherProcess
) -> None:
    """The sitemap that robots.txt names is read, and only its products become jobs."""
    paths = ("/products/1", "/products/1?variant=red", "/de/p/2", "/about")
    site.add("/robots.txt", http(200, b"Sitemap: /s.xml"))
    site.add("/s.xml", http(200, urlset(*(site.url(path) for path in paths))))
    response, urls = dispatch("products", site, pubsub, dispatcher)
    assert urls == [f"{SHOP}/de/p/2", f"{SHOP}/products/1"]
    [counts] = response["sources"]
    assert (counts["source"], counts["found"], counts["filtered"]) == ("sources.site", 4, 2)


def test_only_changed_pages_become_jobs(
    site: Site, pubsub: PubsubClient, dispatcher: DispatcherProcess
) -> None:
    """Of two sitemaps, the entries of the last two days become jobs, and those without a time."""
    now = datetime.now(UTC)

    def entry(path: str, days: int) -> str:
        changed = (now - timedelta(days=days)).isoformat()
        return f"<url><loc>{site.url(path)}</loc><lastmod>{changed}</lastmod></url>"

    products = f"<urlset>{entry('/1', 1)}{entry('/2', 3)}<url><loc>{site.url('/3')}</loc></url></urlset>"
    site.add("/sitemap-products.xml", http(200, products.encode()))
    site.add("/sitemap-news.xml", http(200, f"<urlset>{entry('/4', 0)}{entry('/5', 400)}</urlset>".encode()))
    response, urls = dispatch("changed", site, pubsub, dispatcher)
    assert urls == [f"{SHOP}/1", f"{SHOP}/3", f"{SHOP}/4"]
    assert [counts["outdated"] for counts in response["sources"]] == [1, 1]
