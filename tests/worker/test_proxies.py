"""Tests requests through a proxy: what it is asked, and what is refused before it is asked."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.attempt import AttemptFailed
from contract.job import Politeness
from contract.outcome import Reason
from contract.request import PageRequest
from guarded_http.addresses import parse_networks
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer
from tests.servers.certificates import CertificateAuthority
from tests.servers.fake_resolver import FakeResolver
from tests.servers.proxy import ProxyServer, running_proxy
from tests.servers.site import Site, http, running_site
from worker.budget import PageBudget
from worker.fetch import Fetcher
from worker.page import FetchedPage
from worker.rate_limiter import RateLimiter
from worker.request_policy import RequestPolicy, parse_proxies
from worker.site_secrets import SiteSecret, SiteSecrets

PAGE = b"<h1>One</h1>"
LOGIN = "bob:s3cr3t-password"
BASIC = "Basic " + b64encode(LOGIN.encode()).decode()


@pytest.fixture
def proxy() -> Iterator[ProxyServer]:
    """Run a proxy."""
    with running_proxy() as proxy:
        yield proxy


def fetch(
    url: str,
    proxy: ProxyServer,
    *,
    allow_networks: str = "127.0.0.0/8",
    addresses: tuple[str, ...] = ("127.0.0.1",),
    authority: CertificateAuthority | None = None,
    respect_robots: bool = False,
    named: str = "",
    **request: Any,  # noqa: ANN401 - the keys of a request
) -> FetchedPage:
    """Fetch `url` through the proxy, whose LOGIN is a secret, or through the `named` one."""
    secrets = SiteSecrets(SiteSecret("LOGIN", LOGIN, (proxy.url,)))
    dialer = Dialer(parse_networks(allow_networks), FakeResolver(list(addresses)))
    tls_context = authority.client if authority else None
    client = HttpClient("scrapeq/test", dialer, tls_context=tls_context)
    policy = RequestPolicy(secrets, parse_proxies(proxy.url))
    fetcher = Fetcher(
        client, RateLimiter(client, "scrapeq/test"), max_bytes=10_000, max_redirects=5, policy=policy
    )
    section = {"proxy": named or f"http://{{secret:LOGIN}}@127.0.0.1:{proxy.port}"} | request
    politeness = Politeness(respect_robots=respect_robots)
    return fetcher.fetch(url, politeness, PageBudget(60), request=PageRequest(**section))


def failure(url: str, proxy: ProxyServer, **options: Any) -> AttemptFailed:  # noqa: ANN401 - the options of `fetch`
    """Return the error of a fetch that must fail."""
    with pytest.raises(AttemptFailed) as failed:
        fetch(url, proxy, **options)
    assert LOGIN not in str(failed.value)
    return failed.value


def test_http_request_is_sent_to_the_proxy(site: Site, proxy: ProxyServer) -> None:
    """A request for http has the whole URL, and the credentials of the proxy, which the site does not get."""
    url = site.add("/a?b=%2f", http(200, PAGE))
    body: dict[str, Any] = {"method": "POST", "body": [1], "headers": {"X-A": "b"}}
    assert fetch(url, proxy, **body).body == PAGE
    [(line, headers)] = proxy.asked
    assert line == f"POST {url} HTTP/1.1"
    assert headers["proxy-authorization"] == BASIC
    assert headers["host"] == f"127.0.0.1:{site.port}"
    assert site.requests[0].body == b"[1]"


def test_robots_txt_is_requested_through_the_proxy(site: Site, proxy: ProxyServer) -> None:
    """robots.txt of the site goes through the same proxy as the page."""
    fetch(site.add("/", http(200, PAGE)), proxy, respect_robots=True, user_agent="bot/1")
    assert [line for line, _ in proxy.asked] == [
        f"GET {site.url('/robots.txt')} HTTP/1.1",
        f"GET {site.url('/')} HTTP/1.1",
    ]


def test_https_request_goes_through_a_tunnel(tmp_path: Path, proxy: ProxyServer) -> None:
    """A proxy is asked for a tunnel to the host of an https URL, and sees nothing of the request in it."""
    authority = CertificateAuthority()
    with running_site(authority.server(tmp_path, "shop.example")) as site:
        site.add("/page", http(200, PAGE))
        url = f"https://shop.example:{site.port}/page"
        assert fetch(url, proxy, authority=authority, headers={"X-A": "b"}).body == PAGE
        [(line, headers)] = proxy.asked
        assert line == f"CONNECT shop.example:{site.port} HTTP/1.1"
        assert headers == {"host": f"shop.example:{site.port}", "proxy-authorization": BASIC}
        assert "proxy-authorization" not in site.requests[0].headers


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_refused_address_is_refused_before_the_proxy_is_asked(proxy: ProxyServer, scheme: str) -> None:
    """A host that resolves to a private address is refused, although the proxy would resolve it again."""
    failed = failure(f"{scheme}://shop.example/", proxy, addresses=("93.184.215.14", "10.0.0.1"))
    assert failed.reason is Reason.REFUSED_ADDRESS
    metadata = failure(f"{scheme}://metadata.google.internal/", proxy)
    assert metadata.reason is Reason.REFUSED_ADDRESS
    assert proxy.asked == []


def test_address_of_the_proxy_may_be_private(site: Site, proxy: ProxyServer) -> None:
    """The proxy is at 127.0.0.1 and is contacted, although no network is allowed to sites."""
    site.add("/", http(200, PAGE))
    url = f"http://shop.example:{site.port}/"
    assert fetch(url, proxy, allow_networks="", addresses=("93.184.215.14",)).body == PAGE


def test_other_proxy_is_refused(site: Site, proxy: ProxyServer) -> None:
    """A proxy that is not in FETCH_PROXIES is named in the error, and nobody is contacted."""
    failed = failure(site.url("/"), proxy, named="http://127.0.0.1:1")
    assert (failed.reason, failed.detail) == (
        Reason.REQUEST_REFUSED,
        "the proxy http://127.0.0.1:1 is not one of this worker's (FETCH_PROXIES)",
    )
    assert (site.requests, proxy.asked) == ([], [])


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_refusal_of_the_proxy_is_not_taken_for_the_site(proxy: ProxyServer, scheme: str) -> None:
    """If the proxy wants other credentials, the attempt fails with `connect` and names the proxy."""
    proxy.refusal = "407 Proxy Authentication Required"
    failed = failure(f"{scheme}://shop.example:1/", proxy)
    assert failed.reason is Reason.CONNECT
    assert proxy.url in failed.detail
    assert "407" in failed.detail


def test_proxy_that_is_not_there_fails_with_connect(site: Site, proxy: ProxyServer) -> None:
    """If nobody listens on the proxy's port, the attempt fails with `connect` and names the proxy."""
    proxy.close()
    failed = failure(site.url("/"), proxy)
    assert failed.reason is Reason.CONNECT
    assert failed.detail.startswith(f"the proxy {proxy.url}: ")


@pytest.mark.parametrize(
    "text", ["proxy.example", "socks5://a", "http://u:hunter2@a", "http://a/b", "https://a"]
)
def test_invalid_setting_is_rejected_without_repeating_it(text: str) -> None:
    """FETCH_PROXIES has only `http://host:port`, and its fault repeats no password."""
    with pytest.raises(ValueError, match="proxy 2 of the list") as rejected:
        parse_proxies(f"http://proxy.example:3128, {text}")
    assert "hunter2" not in str(rejected.value)
