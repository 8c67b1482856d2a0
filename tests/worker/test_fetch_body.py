"""Bodies of pages: decoded, complete, within the page's budget of time and size."""

import gc
import gzip
import tracemalloc
import zlib

import pytest

from contract.outcome import Reason
from tests.servers.site import PendingRequest, Response, Site, http
from tests.worker.fetching import MAX_BYTES, fetch, fetch_failure, make_fetcher
from worker.budget import PageBudget
from worker.fetch import Fetcher

PAGE = b"<h1>One</h1>"


@pytest.fixture
def fetcher() -> Fetcher:
    """A fetcher as the worker wires it, of pages up to `MAX_BYTES`."""
    return make_fetcher(max_bytes=MAX_BYTES)


def chunked(*chunks: bytes) -> bytes:
    """Return a chunked response (RFC 9112 section 7.1), its chunks as given."""
    header = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    return header + b"".join(chunks)


@pytest.mark.parametrize(
    "response",
    [
        chunked(b"c\r\n", PAGE, b"\r\n0\r\n\r\n"),
        chunked(b"5\r\n", PAGE[:5], b"\r\n7;x=1\r\n", PAGE[5:], b"\r\n0\r\nTrailer: 1\r\n\r\n"),
        http(200, gzip.compress(PAGE), "Content-Encoding: gzip"),
        http(200, zlib.compress(PAGE), "Content-Encoding: deflate"),
        http(200, gzip.compress(gzip.compress(PAGE)), "Content-Encoding: gzip, gzip"),
        http(200, PAGE, "Content-Encoding: identity"),
        b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE,
    ],
    ids=[
        "chunked",
        "extensions and trailers",
        "gzip",
        "deflate",
        "gzip twice",
        "identity",
        "until it closes",
    ],
)
def test_body_is_decoded_from_its_codings(site: Site, fetcher: Fetcher, response: bytes) -> None:
    """Transfer and content codings do not change the page."""
    assert fetch(fetcher, site.add("/", lambda request: request.send(response))).body == PAGE


def test_contradicting_content_lengths_are_connect(site: Site, fetcher: Fetcher) -> None:
    """With two lengths it is unknown where the body ends (RFC 9110 section 8.6)."""
    response = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3, 4\r\n\r\nabc"
    failure = fetch_failure(fetcher, site.add("/", lambda request: request.send(response)))
    assert failure.reason is Reason.CONNECT
    gc.collect()  # a connection that was left open would warn now


INCOMPLETE = {
    "length": http(200, PAGE, length=1000),
    "chunk": chunked(b"c\r\n", PAGE[:5]),
    "last chunk": chunked(b"c\r\n", PAGE, b"\r\n"),
    "chunk size": chunked(b"c\r\n", PAGE, b"\r\nzz\r\n"),
    "gzip": http(200, gzip.compress(PAGE)[:-5], "Content-Encoding: gzip", length=len(gzip.compress(PAGE))),
    "not gzip": http(200, PAGE, "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("response", INCOMPLETE.values(), ids=INCOMPLETE.keys())
def test_body_that_ends_early_is_incomplete_body(site: Site, fetcher: Fetcher, response: bytes) -> None:
    """A part of a page is not accepted as a page; the whole page may come at the next attempt."""
    failure = fetch_failure(fetcher, site.add("/", lambda request: request.send(response)))
    assert failure.reason is Reason.INCOMPLETE_BODY


def test_reset_within_the_body_is_incomplete_body(site: Site, fetcher: Fetcher) -> None:
    """The header came, so the connection worked."""

    def reset_in_body(request: PendingRequest) -> None:
        request.send(http(200, PAGE, length=1000))
        request.reset()

    assert fetch_failure(fetcher, site.add("/", reset_in_body)).reason is Reason.INCOMPLETE_BODY


def test_silent_site_is_timeout(site: Site, fetcher: Fetcher) -> None:
    """If the page's budget is not spent, a site that stops sending has a reason of its own."""
    # Given a clock that stands still, so that only the socket's timeout ends the wait
    budget = PageBudget(0.2, clock=lambda: 0.0)
    # When the site sends nothing
    url = site.add("/", PendingRequest.wait_until_closed)
    assert fetch_failure(fetcher, url, budget=budget).reason is Reason.TIMEOUT

    # And when it stops within the body
    def stop_in_body(request: PendingRequest) -> None:
        request.send(http(200, PAGE, length=1000))
        request.wait_until_closed()

    url = site.add("/half", stop_in_body)
    assert fetch_failure(fetcher, url, budget=budget).reason is Reason.TIMEOUT


def send_body_slowly(request: PendingRequest) -> None:
    """Send a body of known length, byte by byte."""
    request.send(http(200, b"", length=10_000))
    request.send_slowly(b"x" * 10_000)


def send_chunk_slowly(request: PendingRequest) -> None:
    """Send a chunk, byte by byte."""
    request.send(chunked(b"2710\r\n"))
    request.send_slowly(b"x" * 10_000)


@pytest.mark.parametrize("response", [PendingRequest.wait_until_closed, send_body_slowly, send_chunk_slowly])
def test_slow_page_is_page_budget_exceeded(site: Site, fetcher: Fetcher, response: Response) -> None:
    """A byte now and then is within every timeout of one read, but not within the page's budget.

    The reason shows that the fetch did not wait: the slow bodies take 200 seconds.
    """
    failure = fetch_failure(fetcher, site.add("/", response), budget=PageBudget(0.4))
    assert failure.reason is Reason.PAGE_BUDGET_EXCEEDED
    assert "the page took longer than 0.4 s" in failure.detail


def test_redirect_after_the_budget_is_not_followed(site: Site, fetcher: Fetcher) -> None:
    """Once the budget is spent, no further request is sent."""
    # Given a clock by which each of the site's responses takes two seconds
    budget = PageBudget(1, clock=lambda: 2.0 * len(site.requests))
    url = site.add("/", http(302, b"", "Location: /next"))
    failure = fetch_failure(fetcher, url, budget=budget)
    assert failure.reason is Reason.PAGE_BUDGET_EXCEEDED
    assert [request.path for request in site.requests] == ["/"]


def test_page_of_max_bytes_is_accepted(site: Site, fetcher: Fetcher) -> None:
    """The bound itself is within it."""
    assert len(fetch(fetcher, site.add("/", http(200, b"x" * MAX_BYTES))).body) == MAX_BYTES


def announce_too_much(request: PendingRequest) -> None:
    """Announce a terabyte, and send none of it."""
    request.send(http(200, b"", length=10**12))
    request.wait_until_closed()


def send_endless_chunks(request: PendingRequest) -> None:
    """Send chunks until the client closes."""
    request.send(chunked())
    while True:
        request.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")


def send_endless_body(request: PendingRequest) -> None:
    """Send a body without a length until the client closes."""
    request.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while True:
        request.send(b"x" * 4096)


@pytest.mark.parametrize("response", [announce_too_much, send_endless_chunks, send_endless_body])
def test_page_over_max_bytes_is_too_large(site: Site, fetcher: Fetcher, response: Response) -> None:
    """By its Content-Length, or by what the site sends: no more than the bound is read."""
    failure = fetch_failure(fetcher, site.add("/", response))
    assert (failure.reason, failure.http_status) == (Reason.TOO_LARGE, 200)
    assert "FETCH_MAX_BYTES" in failure.detail


def test_decompression_bomb_does_not_fill_the_memory(site: Site) -> None:
    """A body that decodes to 200 MB is dropped at the bound, before it is decoded as a whole."""
    compressor = zlib.compressobj(wbits=31)
    bomb = b"".join([compressor.compress(bytes(10_000_000)) for _ in range(20)]) + compressor.flush()
    url = site.add("/", http(200, bomb, "Content-Encoding: gzip", length=len(bomb)))
    fetcher = make_fetcher(max_bytes=1_000_000)
    tracemalloc.start()
    try:
        assert fetch_failure(fetcher, url).reason is Reason.DECOMPRESSION_BOMB
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_pages_of_one_host_share_a_connection(site: Site, fetcher: Fetcher) -> None:
    """However their bodies are coded: a connection for each page would cost more than the page."""
    site.add("/", http(200, PAGE))
    site.add("/gzip", http(200, gzip.compress(PAGE), "Content-Encoding: gzip"))
    site.add("/chunked", chunked(b"c\r\n", PAGE, b"\r\n0\r\n\r\n"))
    site.add("/empty", http(200, b""))
    for path in ("/", "/gzip", "/chunked", "/empty", "/"):
        fetch(fetcher, site.url(path))
    assert site.connections == 1
