"""Tests how the HTTP client sends URLs and reuses connections, and when it repeats a request."""

import io
from contextlib import ExitStack
from pathlib import Path

import pytest

from guarded_http.addresses import parse_networks
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer
from guarded_http.errors import FetchErrorKind
from guarded_http.idle_connections import IdleConnections
from guarded_http.redirects import follow_redirects
from guarded_http.request import HttpRequest
from tests.guarded_http.requesting import SecondsLeft, get_body, get_error, local_client, trusting_client
from tests.servers.certificates import CertificateAuthority
from tests.servers.fake_resolver import FakeResolver
from tests.servers.site import PendingRequest, Site, http, redirect, running_site

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
def test_url_is_sent_as_written(site: Site, target: str) -> None:
    """Escapes, order and empty parameters of a URL are sent unchanged, since sites may sign their URLs."""
    site.add(target, http(200, PAGE))
    assert get_body(local_client(), site.url(target)) == PAGE
    assert [request.path for request in site.requests] == [target]


def test_idle_connection_that_closes_on_the_request_is_replaced(site: Site) -> None:
    """If the site closes an idle connection while a request is sent, the request is sent over a new one."""

    def respond_over_new_connections_only(visit: PendingRequest) -> None:
        if site.connections > 1:
            visit.send(http(200, PAGE))

    client = local_client()
    get_body(client, site.add("/1", http(200, PAGE)))
    assert get_body(client, site.add("/2", respond_over_new_connections_only)) == PAGE
    assert (site.connections, len(site.requests_for("/2"))) == (2, 2)


def test_new_connection_that_closes_is_not_retried(site: Site) -> None:
    """If a site closes a new connection without a response, the request is not sent again."""
    assert get_error(local_client(), site.add("/", lambda _: None)).kind is FetchErrorKind.CONNECT
    assert len(site.requests) == 1


def test_incomplete_header_over_an_idle_connection_is_not_retried(site: Site) -> None:
    """A request is not sent again if a part of the response's header was received over an idle connection."""

    def close_within_header(visit: PendingRequest) -> None:
        visit.send(b"HTTP/1.1 200 OK\r\n")
        visit.reset()

    client = local_client()
    get_body(client, site.add("/1", http(200, PAGE)))
    error = get_error(client, site.add("/2", close_within_header))
    assert (error.kind, len(site.requests_for("/2"))) == (FetchErrorKind.CONNECT, 1)


def test_redirect_without_body_keeps_its_connection(site: Site) -> None:
    """The target of a redirect without a body is requested over the same connection."""
    site.add("/2", http(200, PAGE))
    url = site.add("/1", redirect("/2"))
    deadline = SecondsLeft(60)
    with follow_redirects(local_client(), url, deadline, accept="*/*", max_redirects=1) as response:
        assert response.read_body(1000) == PAGE
    assert site.connections == 1


def test_repeated_equal_content_length_ends_the_body(site: Site) -> None:
    """Equal lengths in one Content-Length field or in two are read as one length (RFC 9110 section 8.6)."""

    def stay_open(visit: PendingRequest) -> None:
        visit.send(http(200, PAGE).replace(b"Content-Length: 12", b"Content-Length: 12, 12"))
        visit.wait_until_closed()

    client = local_client()
    assert get_body(client, site.add("/1", stay_open)) == PAGE
    in_two_fields = http(200, PAGE, "Content-Length: 12") + b"more"
    assert get_body(client, site.add("/2", in_two_fields)) == PAGE


def test_connections_of_simultaneous_requests_are_all_reused(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Simultaneous requests to one site open one connection each, and later ones open none."""
    client, count = local_client(), 20
    site.add("/", http(200, PAGE))
    for _ in range(3):
        with ExitStack() as stack:
            requested = [client.send(site.url("/"), SecondsLeft(60)) for _ in range(count)]
            responses = [stack.enter_context(each) for each in requested]
            assert [response.read_body(1000) for response in responses] == [PAGE] * count
    assert site.connections == count
    assert caplog.records == []


def test_number_of_idle_connections_to_all_sites_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of all sites, a further idle connection closes the one that has been idle longest."""
    monkeypatch.setattr(IdleConnections.__init__, "__defaults__", (2,))
    client = local_client()
    with running_site() as first, running_site() as second, running_site() as third:
        for site in (first, second, third, second, third, first):
            site.add("/", http(200, PAGE))
            assert get_body(client, site.url("/")) == PAGE
    assert (first.connections, second.connections, third.connections) == (2, 1, 1)


def test_unrequested_response_over_tls_is_not_read_as_the_next(tmp_path: Path) -> None:
    """An unrequested second response is never read as the next page, even if TLS already decrypted it."""
    authority = CertificateAuthority()
    with running_site(authority.server(tmp_path, "shop.example")) as site:
        # Given a first response that fills the reader's buffer, and a second one immediately after it
        first = http(200, b"<h1>First</h1>")
        site.add("/1", first.ljust(io.DEFAULT_BUFFER_SIZE, b"x") + http(200, b"<h1>Poison</h1>"))
        site.add("/2", http(200, PAGE))
        client = trusting_client(authority)
        for path, title in (("/1", b"First"), ("/2", b"One"), ("/1", b"First"), ("/2", b"One")):
            assert title in get_body(client, f"https://shop.example:{site.port}{path}")


def test_tls_handshakes_and_lookups_serve_later_requests_too(tmp_path: Path) -> None:
    """Simultaneous requests need a lookup and a TLS handshake each, and the requests after them need none."""
    authority, resolver, count = CertificateAuthority(), FakeResolver(["127.0.0.1"]), 8
    dialer = Dialer(parse_networks("127.0.0.0/8"), resolver)
    client = HttpClient("scrapeq/test", dialer, tls_context=authority.client)
    with running_site(authority.server(tmp_path, "shop.example")) as site:
        site.add("/", http(200, PAGE))
        for _ in range(3):
            with ExitStack() as stack:
                url = f"https://shop.example:{site.port}/"
                requested = [client.send(url, SecondsLeft(60)) for _ in range(count)]
                responses = [stack.enter_context(each) for each in requested]
                assert [response.read_body(1000) for response in responses] == [PAGE] * count
        assert (site.connections, len(resolver.resolved)) == (count, count)


@pytest.mark.parametrize("field", [("X-A", "b\r\nHost: other.example"), ("X-A\n", "b"), ("X-A", "b\0")])
def test_field_that_would_begin_another_is_not_sent(site: Site, field: tuple[str, str]) -> None:
    """A request whose field has a line break or NUL is not sent, and the error does not repeat the field."""
    request = HttpRequest(headers=(field,))
    with pytest.raises(ValueError, match="has a line break") as refused:
        local_client().send(site.url("/"), SecondsLeft(60), request)
    assert "other" not in str(refused.value)
    assert site.connections == 0
