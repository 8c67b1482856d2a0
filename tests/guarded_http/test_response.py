"""Responses: headers, truncated bodies, and errors that name the URL and the status."""

import gzip

import pytest

from console.stack.ports import free_port
from guarded_http.client import make_client
from guarded_http.errors import FetchError, FetchErrorKind
from tests.guarded_http.requesting import SecondsLeft, get_error, local_client
from tests.servers.site import PendingRequest, Site, http, redirect

PAGE = b"<h1>One</h1>"


def test_repeated_header_is_joined_by_commas(site: Site) -> None:
    """As RFC 9110 section 5.3 reads it; a missing header is an empty text."""
    url = site.add("/", http(200, PAGE, "X-Tag: a", "X-Tag:  b "))
    with local_client().get(url, SecondsLeft(60)) as response:
        assert (response.url, response.status) == (url, 200)
        assert response.header("x-tag") == "a, b"
        assert response.header("Retry-After") == ""
        assert response.content_type == "text/html; charset=utf-8"


@pytest.mark.parametrize(("status", "location"), [(301, "/next"), (308, "/next"), (201, ""), (304, "")])
def test_location_is_read_of_redirects_only(site: Site, status: int, location: str) -> None:
    """A 201 has a Location too (RFC 9110 section 10.2.2), which is not followed."""
    url = site.add("/", redirect("/next", status))
    with local_client().get(url, SecondsLeft(60)) as response:
        assert response.location == location


@pytest.mark.parametrize("header", ["", "Content-Encoding: gzip"])
def test_truncated_body_has_max_bytes(site: Site, header: str) -> None:
    """Only the first bytes are read of a body that is larger; a smaller one is returned as a whole."""
    body = gzip.compress(PAGE * 1000) if header else PAGE * 1000
    url = site.add("/", http(200, body, *([header] if header else [])))
    for max_bytes in (100, 12_000, 20_000):
        with local_client().get(url, SecondsLeft(60)) as response:
            assert response.read_body(max_bytes, truncate=True) == (PAGE * 1000)[:max_bytes]


def test_error_of_a_request_names_its_url() -> None:
    """Without a response there is no status."""
    url = f"http://127.0.0.1:{free_port()}/"
    error = get_error(local_client(), url)
    assert (error.kind, error.url, error.status) == (FetchErrorKind.CONNECT, url, 0)


def test_error_of_a_body_names_url_and_status(site: Site) -> None:
    """The header came, so the status is known."""
    url = site.add("/", http(203, PAGE, "Content-Encoding: rot13"))
    error = get_error(local_client(), url)
    assert (error.kind, error.url, error.status) == (FetchErrorKind.UNSUPPORTED_ENCODING, url, 203)


def test_framing_larger_than_the_body_is_too_large(site: Site) -> None:
    """Trailers count too, so they cannot go on forever."""

    def send_endless_trailers(request: PendingRequest) -> None:
        request.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
        while True:
            request.send(b"Trailer: x\r\n" * 5000)

    error = get_error(local_client(), site.add("/", send_endless_trailers))
    assert (error.kind, error.detail) == (
        FetchErrorKind.TOO_LARGE,
        "chunk sizes and trailers have more bytes than the body may have",
    )


@pytest.mark.parametrize("path", ["/silent", "/half"])
def test_passed_deadline_raises_its_own_error(site: Site, path: str) -> None:
    """The caller's exception is not turned into a FetchError, neither before the header nor in the body."""

    def stop_in_body(request: PendingRequest) -> None:
        request.send(http(200, PAGE, length=1000))
        request.wait_until_closed()

    site.add("/silent", PendingRequest.wait_until_closed)
    site.add("/half", stop_in_body)
    with (
        pytest.raises(TimeoutError, match="the deadline has passed"),
        local_client().get(site.url(path), SecondsLeft(0.3)) as response,
    ):
        response.read_body(1000)


def test_private_networks_are_refused_unless_allowed(site: Site) -> None:
    """`make_client` takes the networks as an operator writes them."""
    url = site.add("/", http(200, PAGE))
    with (
        pytest.raises(FetchError, match=r"127\.0\.0\.1 is loopback"),
        make_client("x").get(url, SecondsLeft(60)),
    ):
        pass
    with make_client("x", "10.0.0.0/8, 127.0.0.0/8").get(url, SecondsLeft(60)) as response:
        assert response.read_body(1000) == PAGE
    assert len(site.requests) == 1
