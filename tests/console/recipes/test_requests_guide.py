"""Tests of docs/how-to/requests-as-sites-need-them.md: each crawl of the page is tried at a local site."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.command import Scrapeq
from tests.repository.tree import ROOT
from tests.servers.proxy import ProxyServer, running_proxy
from tests.servers.site import Request, Site, http, running_site

GUIDE = (ROOT / "docs" / "how-to" / "requests-as-sites-need-them.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(yaml|sh)\n(.*?)```", GUIDE, re.DOTALL)
CRAWLS = {text.split("\n", 1)[0].removeprefix("name: "): text for kind, text in BLOCKS if kind == "yaml"}
EXPORT = re.compile(r"^export (\w+)='?(.*?)'?$", re.MULTILINE)
EXPORTS = [EXPORT.findall(text) for kind, text in BLOCKS if kind == "sh"]
PAGE = b"<title>One</title><h1>One</h1>"
FOUND = {"results": [{"title": "One"}], "orders": [{"number": 7}]}


@pytest.fixture
def proxy() -> Iterator[ProxyServer]:
    """Run a proxy."""
    with running_proxy() as proxy:
        yield proxy


@pytest.fixture
def try_crawl(
    scrapeq: Scrapeq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: ProxyServer
) -> Iterator["TryCrawl"]:
    """Return an object that tries a crawl of the guide with its settings."""
    monkeypatch.setenv("FETCH_ALLOW_NETWORKS", "127.0.0.0/8")
    with running_site() as site:
        yield TryCrawl(scrapeq, tmp_path, monkeypatch, proxy, site)


class TryCrawl:
    """Tries a crawl of the guide at a local site instead of shop.example."""

    def __init__(
        self, scrapeq: Scrapeq, folder: Path, monkeypatch: pytest.MonkeyPatch, proxy: ProxyServer, site: Site
    ) -> None:
        self._scrapeq, self._folder, self._monkeypatch = scrapeq, folder, monkeypatch
        self._proxy, self._site = proxy, site

    def set(self, exports: list[tuple[str, str]]) -> None:
        """Set the environment variables of a block of the guide."""
        origin = self._site.url("").removesuffix("/")
        for name, value in exports:
            local = value.replace("=api.shop.example", f"={origin}").replace(
                "http://proxy.example:3128", self._proxy.url
            )
            self._monkeypatch.setenv(name, local)

    def __call__(self, name: str, *, is_json: bool = False) -> Request:
        """Return the request that a crawl leads to."""
        [url] = re.findall(r'urls: \["https://[\w.]+(/[\w-]*)"\]', CRAWLS[name])
        found = http(200, json.dumps(FOUND).encode(), content_type="application/json")
        self._site.add(url, found if is_json else http(200, PAGE))
        crawl = self._folder / "crawl.yaml"
        text = CRAWLS[name].replace("proxy.example:3128", self._proxy.url.removeprefix("http://"))
        crawl.write_text(text, encoding="utf-8")
        result = self._scrapeq("try", crawl, self._site.url(url), "--format", "jsonl", "--ignore-robots")
        assert result.exit_code == 0, result.stderr
        assert result.stdout.count("\n") == 1
        return self._site.requests[-1]


def test_every_crawl_of_the_guide_is_tried() -> None:
    """The crawls of the guide are those that the tests of this file try."""
    assert set(CRAWLS) == {"shop", "search", "form", "account", "through-a-proxy"}


def test_headers_cookies_and_user_agent(try_crawl: TryCrawl) -> None:
    """The first crawl sends its header field, its cookies and its User-Agent."""
    request = try_crawl("shop")
    assert request.headers["accept-language"] == "de, en;q=0.5"
    assert request.headers["cookie"] == "currency=EUR; consent=yes"
    assert request.headers["user-agent"].startswith("examplebot/1.0")


def test_searches_by_post(try_crawl: TryCrawl) -> None:
    """An object is sent as JSON, and a text as a form."""
    request = try_crawl("search", is_json=True)
    assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
    assert json.loads(request.body) == {"query": "shoes", "colours": ["red", "blue"]}
    form = try_crawl("form")
    assert form.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form.body == b"query=shoes&colour=red"


def test_secrets(try_crawl: TryCrawl) -> None:
    """With the variables of the guide, the secrets are sent."""
    try_crawl.set(EXPORTS[0])
    request = try_crawl("account", is_json=True)
    assert request.headers["authorization"] == "Bearer s3cr3t-example-value"
    assert request.headers["cookie"] == "session=another-example-value"


def test_proxy(try_crawl: TryCrawl, proxy: ProxyServer) -> None:
    """With the variables of the guide, the request goes through the proxy with its credentials."""
    try_crawl.set(EXPORTS[1])
    try_crawl("through-a-proxy")
    [(_, headers)] = proxy.asked
    assert headers["proxy-authorization"].startswith("Basic ")


def test_missing_secret_is_named(try_crawl: TryCrawl, scrapeq: Scrapeq, tmp_path: Path) -> None:
    """Without the variables, `scrapeq try` fails with the reason and the name of the secret."""
    (tmp_path / "crawl.yaml").write_text(CRAWLS["account"], encoding="utf-8")
    del try_crawl
    result = scrapeq("try", tmp_path / "crawl.yaml", "http://127.0.0.1:1/orders")
    assert result.exit_code == 1
    assert "request_refused: this worker has no secret SHOP_TOKEN (FETCH_SECRETS)" in result.stderr
