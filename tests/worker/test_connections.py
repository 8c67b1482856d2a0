"""Connections over requests and urllib3: what is sent as it is, what is kept, what is asked again."""

import io
from contextlib import ExitStack
from pathlib import Path

import pytest

from contract.outcome import Reason
from guarded_http.addresses import parse_networks
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer
from guarded_http.transport import POOL_CONNECTIONS
from tests.servers.certificates import CertificateAuthority
from tests.servers.site import PendingRequest, Site, http, redirect, running_site
from tests.worker.fetching import ANYHOW, a_fetcher, a_trusting_fetcher, ended
from worker.budget import PageBudget

PAGE = b"<h1>One</h1>"


@pytest.mark.parametrize(
    "target",
    [
        "/a%2fb/%e9%C3/%7Euser;x=1",
        "/?b=2&a=1&b=%2f&c=%7e+%20",
        "/?q=a/b:c?d&empty=&=x&&",
        "//double//slashes/",
        "/!$&'()*+,;=:@-._~",
        "/?redirect=http://other.example/",
    ],
)
def test_a_url_is_sent_as_it_is_written(site: Site, target: str) -> None:
    """Escapes, order, empty parameters: requests and urllib3 would spell them anew, and sites sign them."""
    site.add(target, http(200, PAGE))
    assert a_fetcher().fetch(site.url(target), ANYHOW, PageBudget(10)).body == PAGE
    assert [request.path for request in site.requests] == [target]


def test_a_kept_connection_that_closes_upon_the_request_is_left_for_a_new_one(site: Site) -> None:
    """The site closes an idle connection just when it is asked again: once more, over a new one."""

    def only_at_first(visit: PendingRequest) -> None:
        if site.connections > 1:
            visit.send(http(200, PAGE))

    fetcher = a_fetcher()
    fetcher.fetch(site.add("/1", http(200, PAGE)), ANYHOW, PageBudget(10))
    assert fetcher.fetch(site.add("/2", only_at_first), ANYHOW, PageBudget(10)).body == PAGE
    assert (site.connections, len(site.requests_for("/2"))) == (2, 2)


def test_a_new_connection_that_closes_is_not_asked_again(site: Site) -> None:
    """A repeat is the queue's affair: one attempt asks a site that fails once."""
    assert ended(a_fetcher(), site.add("/", lambda _: None)).reason is Reason.CONNECT
    assert len(site.requests) == 1


def test_an_answer_that_breaks_off_over_a_kept_connection_is_not_asked_for_again(site: Site) -> None:
    """Only where nothing came yet did the site not see the request."""

    def half(visit: PendingRequest) -> None:
        visit.send(b"HTTP/1.1 200 OK\r\n")
        visit.reset()

    fetcher = a_fetcher()
    fetcher.fetch(site.add("/1", http(200, PAGE)), ANYHOW, PageBudget(10))
    end = ended(fetcher, site.add("/2", half))
    assert (end.reason, len(site.requests_for("/2"))) == (Reason.CONNECT, 1)


def test_a_redirect_without_a_body_keeps_its_connection(site: Site) -> None:
    """Its page comes over the same one."""
    site.add("/2", http(200, PAGE))
    a_fetcher().fetch(site.add("/1", redirect("/2")), ANYHOW, PageBudget(10))
    assert site.connections == 1


def test_one_length_said_twice_is_where_the_body_ends(site: Site) -> None:
    """In one field or in two (RFC 9110 section 8.6): nobody waits for the connection's end."""

    def stay(visit: PendingRequest) -> None:
        visit.send(http(200, PAGE).replace(b"Content-Length: 12", b"Content-Length: 12, 12"))
        visit.wait_until_closed()

    fetcher = a_fetcher()
    assert fetcher.fetch(site.add("/1", stay), ANYHOW, PageBudget(10)).body == PAGE
    twice = http(200, PAGE, "Content-Length: 12") + b"more"
    assert fetcher.fetch(site.add("/2", twice), ANYHOW, PageBudget(10)).body == PAGE


def test_few_connections_are_kept_and_the_log_does_not_care(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """As many as come at once are made; a site's idle ones are bounded."""
    web, many = HttpClient("scrapeq/test", Dialer(parse_networks("127.0.0.0/8"))), 2 * POOL_CONNECTIONS
    site.add("/", http(200, PAGE))

    def read_at_once() -> None:
        with ExitStack() as open_answers:
            answers = [
                open_answers.enter_context(web.get(site.url("/"), PageBudget(10))) for _ in range(many)
            ]
            assert [answer.read_body(1000) for answer in answers] == [PAGE] * many

    # Given more pages at once than connections are kept
    read_at_once()
    assert site.connections == many
    # When as many come again
    read_at_once()
    # Then some come over those that were kept, and nothing is said of the others
    assert site.connections == 2 * many - POOL_CONNECTIONS
    assert caplog.records == []


def test_what_comes_unasked_over_tls_is_not_the_next_pages_answer(tmp_path: Path) -> None:
    """Not even where it came in one record with the page, decrypted with it and gone from the socket."""
    authority = CertificateAuthority()
    with running_site(authority.server(tmp_path, "shop.example")) as site:
        # Given an answer too many just behind what a reader's buffer takes with the page
        first = http(200, b"<h1>First</h1>")
        site.add("/1", first.ljust(io.DEFAULT_BUFFER_SIZE, b"x") + http(200, b"<h1>Poison</h1>"))
        site.add("/2", http(200, PAGE))
        fetcher = a_trusting_fetcher(authority)
        for path, title in (("/1", b"First"), ("/2", b"One"), ("/1", b"First"), ("/2", b"One")):
            url = f"https://shop.example:{site.port}{path}"
            assert title in fetcher.fetch(url, ANYHOW, PageBudget(10)).body
