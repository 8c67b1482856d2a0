"""Tests that the body of a page is decoded, complete, and within the limits of time and size."""

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
    """A fetcher that accepts pages up to `MAX_BYTES`."""
    return make_fetcher(max_bytes=MAX_BYTES)


def chunked(*chunks: bytes) -> bytes:
    """Return a response with chunked transfer coding (RFC 9112 section 7.1); `chunks` are sent unchanged."""
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
    """The body of a page is decoded from each transfer coding and content coding."""
    assert fetch(fetcher, site.add("/", lambda request: request.send(response))).body == PAGE


def test_contradicting_content_lengths_fail_with_connect(site: Site, fetcher: Fetcher) -> None:
    """A response with two different lengths is invalid (RFC 9110 section 8.6) and fails with `connect`."""
    response = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3, 4\r\n\r\nabc"
    failure = fetch_failure(fetcher, site.add("/", lambda request: request.send(response)))
    assert failure.reason is Reason.CONNECT
    gc.collect()  # a connection that was left open causes a warning here, which fails the test


INCOMPLETE = {
    "length": http(200, PAGE, length=1000),
    "chunk": chunked(b"c\r\n", PAGE[:5]),
    "last chunk": chunked(b"c\r\n", PAGE, b"\r\n"),
    "chunk size": chunked(b"c\r\n", PAGE, b"\r\nzz\r\n"),
    "gzip": http(200, gzip.compress(PAGE)[:-5], "Content-Encoding: gzip", length=len(gzip.compress(PAGE))),
}


@pytest.mark.parametrize("response", INCOMPLETE.values(), ids=INCOMPLETE.keys())
def test_body_that_ends_early_fails_with_incomplete_body(
    site: Site, fetcher: Fetcher, response: bytes
) -> None:
    """A body that ends early, or whose compressed stream does, fails with `incomplete_body`."""
    failure = fetch_failure(fetcher, site.add("/", lambda request: request.send(response)))
    assert failure.reason is Reason.INCOMPLETE_BODY


def test_body_of_another_coding_than_announced_fails_with_corrupt_body(site: Site, fetcher: Fetcher) -> None:
    """A body that is not compressed although its header says so is told apart from one that ends early."""
    url = site.add("/", http(200, PAGE, "Content-Encoding: gzip"))
    assert fetch_failure(fetcher, url).reason is Reason.CORRUPT_BODY


def test_reset_within_the_body_fails_with_incomplete_body(site: Site, fetcher: Fetcher) -> None:
    """A connection that is reset after the response's header fails with `incomplete_body`, not `connect`."""

    def reset_in_body(request: PendingRequest) -> None:
        request.send(http(200, PAGE, length=1000))
        request.reset()

    assert fetch_failure(fetcher, site.add("/", reset_in_body)).reason is Reason.INCOMPLETE_BODY


def test_silent_site_fails_with_timeout(site: Site, fetcher: Fetcher) -> None:
    """If a site stops sending and the page budget is not spent, the reason is `timeout`."""
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
def test_slow_page_fails_with_page_budget_exceeded(site: Site, fetcher: Fetcher, response: Response) -> None:
    """A page that is sent slowly fails with `page_budget_exceeded`, although no single read times out.

    Without the budget, a slow body would be read to its end after 200 seconds, and the fetch would succeed.
    """
    failure = fetch_failure(fetcher, site.add("/", response), budget=PageBudget(0.4))
    assert failure.reason is Reason.PAGE_BUDGET_EXCEEDED
    assert "the page took longer than 0.4 s" in failure.detail


def test_redirect_after_the_budget_is_not_followed(site: Site, fetcher: Fetcher) -> None:
    """When the page budget is spent, the target of a redirect is not requested."""
    # Given a clock by which each of the site's responses takes two seconds
    budget = PageBudget(1, clock=lambda: 2.0 * len(site.requests))
    url = site.add("/", http(302, b"", "Location: /next"))
    failure = fetch_failure(fetcher, url, budget=budget)
    assert failure.reason is Reason.PAGE_BUDGET_EXCEEDED
    assert [request.path for request in site.requests] == ["/"]


def test_page_of_max_bytes_is_accepted(site: Site, fetcher: Fetcher) -> None:
    """A body of exactly `max_bytes` is accepted."""
    assert len(fetch(fetcher, site.add("/", http(200, b"x" * MAX_BYTES))).body) == MAX_BYTES


def announce_too_much(request: PendingRequest) -> None:
    """Announce a body of a terabyte and send only the header."""
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
def test_page_over_max_bytes_fails_with_too_large(site: Site, fetcher: Fetcher, response: Response) -> None:
    """A body over `max_bytes` fails with `too_large`, whether its length is announced or not."""
    failure = fetch_failure(fetcher, site.add("/", response))
    assert (failure.reason, failure.http_status) == (Reason.TOO_LARGE, 200)
    assert "FETCH_MAX_BYTES" in failure.detail


def test_decompression_bomb_does_not_fill_the_memory(site: Site) -> None:
    """Decoding a body of 200 MB stops at the size limit, so that little memory is used."""
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
    """Pages of one host use the same connection, whatever the coding of their bodies is."""
    site.add("/", http(200, PAGE))
    site.add("/gzip", http(200, gzip.compress(PAGE), "Content-Encoding: gzip"))
    site.add("/chunked", chunked(b"c\r\n", PAGE, b"\r\n0\r\n\r\n"))
    site.add("/empty", http(200, b""))
    for path in ("/", "/gzip", "/chunked", "/empty", "/"):
        fetch(fetcher, site.url(path))
    assert site.connections == 1
