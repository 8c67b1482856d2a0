"""Tests over real sockets what a request of a crawl sends, to whom, and what it refuses to send."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from contract.attempt import AttemptFailed
from contract.job import Politeness
from contract.outcome import Reason
from contract.request import PageRequest
from guarded_http.addresses import parse_networks
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer
from tests.servers.site import Request, Site, http, redirect, running_site
from worker.budget import PageBudget
from worker.fetch import Fetcher
from worker.page import FetchedPage
from worker.rate_limiter import RateLimiter
from worker.request_policy import RequestPolicy
from worker.site_secrets import SiteSecret, SiteSecrets

PAGE = b"<h1>One</h1>"
VALUE = "s3cr3t-t0k3n/+=="
REQUEST: dict[str, Any] = {
    "headers": {"Authorization": "Bearer {secret:TOKEN}", "Accept": "application/json", "X-Plain": "1"},
    "cookies": {"session": "{secret:TOKEN}", "consent": "yes"},
    "user_agent": "examplebot/2.0 (+https://example.com/bot)",
}
POST: dict[str, Any] = REQUEST | {
    "method": "POST",
    "body": {"query": "red", "key": "{secret:TOKEN}", "pages": [1, None]},
}


@pytest.fixture
def other_site() -> Iterator[Site]:
    """Run a second site, which has another port and so another origin."""
    with running_site() as site:
        yield site


def fetch(url: str, site: Site, *, respect_robots: bool = False, **request: Any) -> FetchedPage:  # noqa: ANN401 - the keys of a request
    """Fetch `url` with a secret TOKEN that may be sent to `site`."""
    secrets = SiteSecrets(SiteSecret("TOKEN", VALUE, (site.url("").removesuffix("/"),)))
    client = HttpClient("scrapeq/test", Dialer(parse_networks("127.0.0.0/8")))
    limiter = RateLimiter(client, "scrapeq/test")
    fetcher = Fetcher(client, limiter, max_bytes=10_000, max_redirects=5, policy=RequestPolicy(secrets))
    politeness = Politeness(respect_robots=respect_robots)
    return fetcher.fetch(url, politeness, PageBudget(60), request=PageRequest(**request))


def failure(url: str, site: Site, **request: Any) -> AttemptFailed:  # noqa: ANN401 - the keys of a request
    """Return the error of a fetch that must fail."""
    with pytest.raises(AttemptFailed) as failed:
        fetch(url, site, **request)
    return failed.value


def is_bare(request: Request) -> bool:
    """Return whether a request has nothing that was meant for another site."""
    names = {"authorization", "cookie", "x-plain", "content-type"} & request.headers.keys()
    return not names and (request.method, request.body) == ("GET", b"") and VALUE not in str(request)


def test_headers_cookies_and_user_agent_are_sent(site: Site) -> None:
    """The request has the crawl's header fields, cookies and User-Agent, with the values of its secrets."""
    fetch(site.add("/", http(200, PAGE)), site, **REQUEST)
    [request] = site.requests
    assert request.headers["authorization"] == f"Bearer {VALUE}"
    assert request.headers["cookie"] == f"session={VALUE}; consent=yes"
    assert request.headers["accept"] == "application/json"
    assert request.headers["x-plain"] == "1"
    assert request.headers["user-agent"] == REQUEST["user_agent"]


def test_body_is_sent_as_json_with_its_secrets(site: Site) -> None:
    """An object is sent as application/json, and a secret in it is written as a JSON string."""
    fetch(site.add("/search", http(200, PAGE)), site, **POST)
    [request] = site.requests
    assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
    assert json.loads(request.body) == {"query": "red", "key": VALUE, "pages": [1, None]}


def test_text_is_sent_as_it_is_written(site: Site) -> None:
    """A text is sent with the Content-Type of the crawl; a POST without body has the length 0."""
    url, form = site.add("/search", http(200, PAGE)), {"Content-Type": "application/x-www-form-urlencoded"}
    fetch(url, site, method="POST", body="q=é&key={secret:TOKEN}", headers=form)
    fetch(url, site, method="POST")
    first, second = site.requests
    assert first.body == f"q=é&key={VALUE}".encode()
    assert first.headers["content-type"] == form["Content-Type"]
    assert (second.method, second.headers["content-length"]) == ("POST", "0")


def test_post_is_sent_over_a_new_connection_and_once(site: Site) -> None:
    """A POST does not use an idle connection, so it is never repeated because the site has closed one."""
    site.add("/get", http(200, PAGE))
    site.add("/1", redirect("/2", 307))
    fetch(site.add("/2", http(200, PAGE)), site)
    fetch(site.url("/1"), site, method="POST")
    assert [request.path for request in site.requests] == ["/2", "/1", "/2"]
    assert site.connections == 3


@pytest.mark.parametrize("status", [301, 302, 303])
def test_redirected_post_becomes_a_get(site: Site, status: int) -> None:
    """After 301, 302 or 303 a POST goes on as GET, without the body and the fields that describe it."""
    site.add("/2", http(200, PAGE))
    fetch(site.add("/1", redirect("/2", status)), site, **POST)
    request = site.requests_for("/2")[0]
    assert (request.method, request.body) == ("GET", b"")
    assert {"content-type", "content-length"} & request.headers.keys() == set()
    assert request.headers["authorization"] == f"Bearer {VALUE}"


@pytest.mark.parametrize("status", [307, 308])
def test_post_is_repeated_at_the_same_origin_only(site: Site, other_site: Site, status: int) -> None:
    """After 307 or 308 the body is sent again to the same origin, and to another one not at all."""
    site.add("/2", http(200, PAGE))
    fetch(site.add("/1", redirect("/2", status)), site, **POST)
    assert site.requests_for("/2")[0].body == site.requests_for("/1")[0].body != b""
    away = site.add("/3", redirect(other_site.url("/"), status))
    failed = failure(away, site, **POST)
    assert (failed.reason, failed.final_url) == (Reason.BAD_URL, away)
    assert "another origin" in failed.detail
    assert other_site.requests == []


@pytest.mark.parametrize("request_section", [REQUEST, POST])
@pytest.mark.parametrize("way", ["redirect", "refresh header", "meta refresh"])
def test_nothing_follows_to_another_origin(
    site: Site, other_site: Site, request_section: dict[str, Any], way: str
) -> None:
    """What was meant for one site is not sent to another origin, and not on the way back either."""
    there, back = other_site.url("/there"), site.url("/back")
    responses = {
        "redirect": redirect(there),
        "refresh header": http(200, b"", f"Refresh: 0;url={there}"),
        "meta refresh": http(200, f'<meta http-equiv="refresh" content="0;url={there}">'.encode()),
    }
    other_site.add("/there", redirect(back))
    site.add("/back", http(200, PAGE))
    assert fetch(site.add("/1", responses[way]), site, **request_section).url == back
    [away], [returned] = other_site.requests, site.requests_for("/back")
    assert is_bare(away)
    assert is_bare(returned)
    assert away.headers["user-agent"] == returned.headers["user-agent"] == REQUEST["user_agent"]


def test_cookies_of_the_site_replace_those_of_the_crawl(site: Site) -> None:
    """A cookie that a redirect sets is sent instead of the crawl's cookie of that name."""
    moved = http(302, b"", "Location: /2", "Set-Cookie: consent=no", "Set-Cookie: more=1")
    site.add("/2", http(200, PAGE))
    fetch(site.add("/1", moved), site, cookies={"consent": "yes", "a": "b"})
    assert set(site.requests_for("/2")[0].headers["cookie"].split("; ")) == {"a=b", "consent=no", "more=1"}


def test_robots_txt_is_requested_with_the_user_agent_only(site: Site) -> None:
    """robots.txt is requested by GET with the crawl's User-Agent, and its product name selects the rules."""
    rules = b"User-agent: examplebot\nAllow: /\n\nUser-agent: *\nDisallow: /\n"
    site.add("/robots.txt", http(200, rules))
    url = site.add("/", http(200, PAGE))
    fetch(url, site, respect_robots=True, **POST)
    robots, page = site.requests
    assert is_bare(robots)
    assert robots.headers["user-agent"] == page.headers["user-agent"] == REQUEST["user_agent"]
    other = failure(url, site, respect_robots=True, user_agent="otherbot/1.0")
    assert (other.reason, other.detail.endswith("disallows / for otherbot")) == (
        Reason.ROBOTS_DISALLOWED,
        True,
    )


def test_rules_of_one_user_agent_are_not_used_for_another(site: Site) -> None:
    """One worker keeps the rules of each User-Agent apart."""
    site.add("/robots.txt", http(200, b"User-agent: good\nAllow: /\n\nUser-agent: *\nDisallow: /\n"))
    url = site.add("/", http(200, PAGE))
    client = HttpClient("good/1.0", Dialer(parse_networks("127.0.0.0/8")))
    fetcher = Fetcher(client, RateLimiter(client, "good/1.0"), max_bytes=10_000, max_redirects=5)
    for user_agent, is_allowed in ((None, True), ("bad/1.0", False), ("good/2.0", True), (None, True)):
        request = PageRequest(user_agent=user_agent)
        if is_allowed:
            assert fetcher.fetch(url, Politeness(), PageBudget(60), request=request).body == PAGE
        else:
            with pytest.raises(AttemptFailed, match="robots_disallowed"):
                fetcher.fetch(url, Politeness(), PageBudget(60), request=request)
    assert len(site.requests_for("/robots.txt")) == 3


def test_missing_or_foreign_secret_is_refused_without_a_request(site: Site, other_site: Site) -> None:
    """A secret that does not exist, or is for another origin, is named in the error, and nothing is sent."""
    missing = failure(site.url("/"), site, headers={"A": "{secret:OTHER}"})
    assert (missing.reason, missing.detail) == (
        Reason.REQUEST_REFUSED,
        "this worker has no secret OTHER (FETCH_SECRETS)",
    )
    sections: tuple[dict[str, Any], ...] = (
        {"headers": {"A": "{secret:TOKEN}"}},
        {"cookies": {"a": "{secret:TOKEN}"}},
        {"method": "POST", "body": [{"a": "{secret:TOKEN}"}]},
        {"method": "POST", "body": "{secret:TOKEN}", "headers": {"Content-Type": "text/plain"}},
    )
    for section in sections:
        foreign = failure(other_site.url("/"), site, **section)
        assert foreign.reason is Reason.REQUEST_REFUSED
        assert foreign.detail == (
            f"the secret TOKEN must not be sent to http://127.0.0.1:{other_site.port} (FETCH_SECRETS)"
        )
        assert VALUE not in str(foreign)
    assert site.requests == other_site.requests == []


def test_secret_that_a_page_repeats_is_not_in_the_page(site: Site) -> None:
    """The page that the recipe gets has the name of a secret instead of the value."""
    page = fetch(site.add("/", http(200, f"<p>{VALUE}</p>".encode())), site, **REQUEST)
    assert page.body == b"<p>[secret TOKEN]</p>"
