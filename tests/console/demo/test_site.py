"""Tests of the demo's site: the demo's recipe fits every page, and two pages fail as documented."""

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
from lxml import etree

from console.demo.pages import load_shop, site_pages
from console.demo.run import demo_crawl
from console.demo.site import Site, SiteServer
from extraction.extract import extract
from extraction.page import SavedPage
from tests.servers.http_server import serving_in_thread

ADDRESS = "http://127.0.0.1:1"
PAGES = site_pages(load_shop(), ADDRESS)
HTML = [path for path, page in PAGES.items() if page.status == 200 and "html" in page.content_type]


def extracted(path: str) -> dict[str, object]:
    """Return the item that the demo's recipe extracts from a page."""
    page = PAGES[path]
    fetched = SavedPage(ADDRESS + path, page.content_type, page.body)
    (item,) = extract(demo_crawl(ADDRESS).recipe, fetched).items
    return dict(item)


@pytest.fixture(scope="module")
def site_url() -> Iterator[str]:
    """Yield the address of a running site."""
    with SiteServer(0) as server, serving_in_thread(server):
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize("path", HTML)
def test_recipe_extracts_an_item_from_every_page(path: str) -> None:
    """The demo's recipe extracts an item from every page of the shop, in each language and encoding."""
    item = extracted(path)
    assert item["title"]
    assert "\ufffd" not in str(item)
    if path.startswith("/products/"):
        assert isinstance(item["price"], int | float)
        assert item["currency"]
        assert item["availability"]
        assert item["image"] == f"{ADDRESS}/images/cover.svg"


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/products/brandl-concertina", "price", 1234.56),
        ("/products/copper-kettledrum", "price", 2150),
        ("/products/kestrel-flute", "price", 1450),
        ("/products/quiet-machines", "price", 2800),
        ("/products/parlour-zither", "price", 210),
        ("/notes/klavierstimmen", "title", "Über das Stimmen alter Flügel"),
        ("/notes/furuhon", "title", "古本の香りについて"),
        ("/notes/oud", "title", "عودٌ من خشب الجوز"),
        ("/notes/chartes", "language", "el"),
        ("/about", "title", "About us"),
        ("/shipping", "table", ["United Kingdom", "Ireland", "Germany", "Japan", "Elsewhere"]),
        ("/books/page-2", "breadcrumbs", ["Home", "Books"]),
    ],
)
def test_prices_and_encodings_of_several_countries_are_extracted(
    path: str, field: str, value: object
) -> None:
    """The recipe extracts prices in the formats of several countries, and text in several encodings."""
    assert extracted(path)[field] == value


def test_sitemap_lists_every_page_and_the_old_url_of_the_renamed_one() -> None:
    """The sitemap has 38 different URLs; one of them redirects to the page's new URL, which is not listed."""
    locations = etree.fromstring(PAGES["/sitemap.xml"].body).xpath("//*[local-name() = 'loc']/text()")
    assert isinstance(locations, list)
    paths = [urlsplit(str(url)).path for url in locations if str(url).startswith(ADDRESS)]
    assert len(paths) == len(set(paths)) == len(locations) == 38
    assert set(paths) <= set(PAGES)
    assert "/products/whistle" in paths
    assert PAGES["/products/whistle"].headers["Location"] == "/products/pilot-whistle"


def test_listings_link_to_existing_pages() -> None:
    """Every link of a listing leads to a page of the site."""
    for path in HTML:
        listed = extracted(path)["listed"]
        assert isinstance(listed, list)
        assert {urlsplit(str(url)).path for url in listed} <= set(PAGES)


def test_one_page_fails_once_and_one_always() -> None:
    """The site responds with 500 to the first request for one page and to every request for another page."""
    site = Site(ADDRESS)
    assert [site.respond("/products/rosin-sampler").status for _ in range(3)] == [500, 200, 200]
    assert [site.respond("/products/ghost-organ").status for _ in range(9)] == [500] * 9
    assert Counter(page.fails for page in PAGES.values() if page.fails) == {"first": 1, "always": 1}


def test_served_site_counts_its_requests(site_url: str) -> None:
    """`/requests.json` has the number of requests for each path."""
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(f"{site_url}/robots.txt", timeout=120).text.endswith(f"{site_url}/sitemap.xml\n")
        followed = session.get(f"{site_url}/products/whistle", timeout=120)
        assert followed.url == f"{site_url}/products/pilot-whistle"
        assert session.get(f"{site_url}/nothing", timeout=120).status_code == 404
        counts = session.get(f"{site_url}/requests.json", timeout=120).json()
    assert counts == {"/robots.txt": 1, "/products/whistle": 1, "/products/pilot-whistle": 1, "/nothing": 1}
