"""Responses have joined headers and bounded bodies; errors name the URL and the status."""

import gzip

import pytest

from console.stack.ports import free_port
from guarded_http.client import make_client
from guarded_http.errors import FetchError, FetchErrorKind
from tests.guarded_http.requesting import SecondsLeft, get_error, local_client
from tests.servers.site import PendingRequest, Site, http, redirect

PAGE = b"<h1>One</h1>"


def test_repeated_header_is_joined_by_commas(site: Site) -> None:
    """Values of a repeated header are joined by commas (RFC 9110 section 5.3); a missing header is `""`."""
    url = site.add("/", http(200, PAGE, "X-Tag: a", "X-Tag:  b "))
    with local_client().send(url, SecondsLeft(60)) as response:
        assert (response.url, response.status) == (url, 200)
        assert response.header("x-tag") == "a, b"
        assert response.header("Retry-After") == ""
        assert response.content_type == "text/html; charset=utf-8"


@pytest.mark.parametrize(("status", "location"), [(301, "/next"), (308, "/next"), (201, ""), (304, "")])
def test_location_is_set_only_for_redirects(site: Site, status: int, location: str) -> None:
    """The Location header of a 201 or 304 is ignored, since these are not redirects."""
    url = site.add("/", redirect("/next", status))
    with local_client().send(url, SecondsLeft(60)) as response:
        assert response.location == location


@pytest.mark.parametrize("header", ["", "Content-Encoding: gzip"])
def test_truncated_body_has_max_bytes(site: Site, header: str) -> None:
    """With `truncate`, a larger body is cut to `max_bytes`, and a smaller one is returned as a whole."""
    body = gzip.compress(PAGE * 1000) if header else PAGE * 1000
    url = site.add("/", http(200, body, *([header] if header else [])))
    for max_bytes in (100, 12_000, 20_000):
        with local_client().send(url, SecondsLeft(60)) as response:
            assert response.read_body(max_bytes, truncate=True) == (PAGE * 1000)[:max_bytes]


def test_error_of_a_request_names_its_url() -> None:
    """The error of a request without a response has the URL, and the status 0."""
    url = f"http://127.0.0.1:{free_port()}/"
    error = get_error(local_client(), url)
    assert (error.kind, error.url, error.status) == (FetchErrorKind.CONNECT, url, 0)


def test_error_of_a_body_names_url_and_status(site: Site) -> None:
    """The error of a body has the URL, and the status from the header."""
    url = site.add("/", http(203, PAGE, "Content-Encoding: compress"))
    error = get_error(local_client(), url)
    assert (error.kind, error.url, error.status) == (FetchErrorKind.UNSUPPORTED_ENCODING, url, 203)


def test_endless_trailers_fail_with_too_large(site: Site) -> None:
    """The size of the trailers after a chunked body is limited, so endless trailers are an error."""

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
    """If the deadline passes before the header or in the body, the deadline's own exception is raised."""

    def stop_in_body(request: PendingRequest) -> None:
        request.send(http(200, PAGE, length=1000))
        request.wait_until_closed()

    site.add("/silent", PendingRequest.wait_until_closed)
    site.add("/half", stop_in_body)
    with (
        pytest.raises(TimeoutError, match="the deadline has passed"),
        local_client().send(site.url(path), SecondsLeft(0.3)) as response,
    ):
        response.read_body(1000)


def test_private_networks_are_refused_unless_allowed(site: Site) -> None:
    """A client contacts a private network only if the list given to `make_client` contains it."""
    url = site.add("/", http(200, PAGE))
    with (
        pytest.raises(FetchError, match=r"127\.0\.0\.1 is loopback"),
        make_client("x").send(url, SecondsLeft(60)),
    ):
        pass
    with make_client("x", "10.0.0.0/8, 127.0.0.0/8").send(url, SecondsLeft(60)) as response:
        assert response.read_body(1000) == PAGE
    assert len(site.requests) == 1
