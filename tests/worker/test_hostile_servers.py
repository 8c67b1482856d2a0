"""Tests hostile servers on real sockets: no response becomes a page or takes longer than the page budget."""

import gzip
import socket
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import closing
from threading import Thread

import brotli
import pytest
from backports import zstd

from contract.outcome import Reason
from tests.servers.site import PendingRequest, Response, Site, http, redirect
from tests.worker.fetching import fetch, fetch_failure, make_fetcher
from worker.budget import PageBudget

SHORT_BUDGET = 0.5  #: page budget in seconds for responses that never end
LONG_BUDGET = 120.0  #: page budget in seconds for responses that end; only guards against hanging
PAGE = b"<h1>One</h1>"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def sends(*parts: bytes) -> Callable[[PendingRequest], None]:
    """Return a response that sends these bytes and closes the connection."""
    return lambda request: request.send(b"".join(parts))


def sends_slowly(start: bytes, again: bytes) -> Callable[[PendingRequest], None]:
    """Return a response that sends `start`, then repeats `again` byte by byte until the site is closed."""

    def respond(request: PendingRequest) -> None:
        request.send(start)
        while not request.closing.is_set():
            request.send_slowly(again)

    return respond


def sends_endlessly(start: bytes, again: bytes) -> Callable[[PendingRequest], None]:
    """Return a response that sends `start`, then repeats `again` at full speed until the client closes."""

    def respond(request: PendingRequest) -> None:
        request.send(start)
        while True:
            request.send(again * max(1, 65536 // len(again)))

    return respond


def sends_then_waits(start: bytes) -> Callable[[PendingRequest], None]:
    """Return a response that sends `start`, and leaves the connection open."""

    def respond(request: PendingRequest) -> None:
        request.send(start)
        request.wait_until_closed()

    return respond


def coded(coding: str, body: bytes) -> bytes:
    """Return a response whose body has a content coding."""
    return http(200, body, f"Content-Encoding: {coding}")


def gzip_of_zeros(size: int) -> bytes:
    """Return `size` zero bytes, compressed with gzip to about a thousandth of `size`."""
    compressor = zlib.compressobj(9, wbits=31)
    return b"".join([compressor.compress(bytes(2**20)) for _ in range(size // 2**20)]) + compressor.flush()


ZEROS = gzip_of_zeros(64 * 2**20)
SERVERS: dict[str, tuple[Response, set[Reason]]] = {
    "sends nothing": (PendingRequest.wait_until_closed, {Reason.PAGE_BUDGET_EXCEEDED}),
    "sends its status line slowly": (
        sends_slowly(b"", b"HTTP/1.1 200 OK" * 100),
        {Reason.PAGE_BUDGET_EXCEEDED},
    ),
    "sends its header slowly": (sends_slowly(HEAD + b"X: ", b"y" * 1000), {Reason.PAGE_BUDGET_EXCEEDED}),
    "sends its body slowly": (
        sends_slowly(HEAD + b"Content-Length: 1000\r\n\r\n", b"x" * 1000),
        {Reason.PAGE_BUDGET_EXCEEDED},
    ),
    "sends its chunks slowly": (sends_slowly(CHUNKED, b"1\r\nx\r\n" * 200), {Reason.PAGE_BUDGET_EXCEEDED}),
    "sends its trailers slowly": (
        sends_slowly(CHUNKED + b"1\r\nx\r\n0\r\n", b"T: x\r\n" * 200),
        {Reason.PAGE_BUDGET_EXCEEDED},
    ),
    "sends a coded body slowly": (
        sends_slowly(HEAD + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(bytes(range(256)) * 9, 0)),
        {Reason.PAGE_BUDGET_EXCEEDED},
    ),
    "sends header fields endlessly": (sends_endlessly(HEAD, b"X: y\r\n"), {Reason.CONNECT}),
    "sends one header field endlessly": (sends_endlessly(HEAD + b"X: ", b"y"), {Reason.CONNECT}),
    "sends its status line endlessly": (sends_endlessly(b"HTTP/1.1 200 ", b"OK "), {Reason.CONNECT}),
    "sends interim responses endlessly": (
        sends_endlessly(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        {Reason.CONNECT},
    ),
    "sends trailers endlessly": (sends_endlessly(CHUNKED + b"0\r\n", b"T: x\r\n"), {Reason.TOO_LARGE}),
    "sends one chunk size endlessly": (
        sends_endlessly(CHUNKED, b"0"),
        {Reason.INCOMPLETE_BODY, Reason.TOO_LARGE},
    ),
    "sends chunk extensions endlessly": (
        sends_endlessly(CHUNKED, b"1;x=y"),
        {Reason.INCOMPLETE_BODY, Reason.TOO_LARGE},
    ),
    "closes within its header": (sends(HEAD + b"X: half a fi"), {Reason.CONNECT}),
    "closes before its header ends": (sends(HEAD), {Reason.CONNECT}),
    "resets": (PendingRequest.reset, {Reason.CONNECT}),
    "sends another protocol": (sends(b"220 mail.example ESMTP\r\n"), {Reason.CONNECT}),
    "sends another protocol, and waits": (sends_then_waits(b"SSH-2.0-OpenSSH_9.6"), {Reason.CONNECT}),
    "sends TLS on a plain port": (sends(b"\x15\x03\x01\x00\x02\x02\x46"), {Reason.CONNECT}),
    "has an invalid status": (sends(b"HTTP/1.1 two hundred\r\n\r\n" + PAGE), {Reason.CONNECT}),
    "has a status of four digits": (sends(b"HTTP/1.1 2000 OK\r\n\r\n" + PAGE), {Reason.CONNECT}),
    "sends HTTP/0.9": (sends(PAGE), {Reason.CONNECT}),
    "sends HTTP/2": (sends(b"HTTP/2 200\r\n\r\n" + PAGE), {Reason.CONNECT}),
    "has a malformed length": (
        sends(HEAD + b"Content-Length 3\r\nContent-Type: text/html\r\n\r\nabc"),
        {Reason.CONNECT},
    ),
    "has a malformed transfer coding": (
        sends(HEAD + b"Transfer-Encoding\x0b: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        {Reason.CONNECT},
    ),
    "announces more than it sends": (sends(http(200, PAGE, length=1000)), {Reason.INCOMPLETE_BODY}),
    "announces two lengths": (
        sends(HEAD + b"Content-Length: 3\r\nContent-Length: 12\r\n\r\n" + PAGE),
        {Reason.CONNECT},
    ),
    "announces a negative length": (sends(HEAD + b"Content-Length: -1\r\n\r\n" + PAGE), {Reason.CONNECT}),
    "announces a length in words": (sends(HEAD + b"Content-Length: 1e3\r\n\r\n" + PAGE), {Reason.CONNECT}),
    "announces 10 GB": (sends_then_waits(HEAD + b"Content-Length: 10737418240\r\n\r\n"), {Reason.TOO_LARGE}),
    "announces a length of 9,000 digits": (
        sends_then_waits(HEAD + b"Content-Length: " + b"9" * 9000 + b"\r\n\r\n"),
        {Reason.TOO_LARGE},
    ),
    "streams 10 GB": (sends_endlessly(HEAD + b"\r\n", b"x" * 1000), {Reason.TOO_LARGE}),
    "streams 10 GB in chunks": (
        sends_endlessly(CHUNKED, b"3e8\r\n" + b"x" * 1000 + b"\r\n"),
        {Reason.TOO_LARGE},
    ),
    "streams 10 GB in single bytes": (sends_endlessly(CHUNKED, b"1\r\nx\r\n"), {Reason.TOO_LARGE}),
    "has a chunk of 10 GB": (sends_endlessly(CHUNKED + b"280000000\r\n", b"x" * 1000), {Reason.TOO_LARGE}),
    "has an invalid chunk size": (sends(CHUNKED + b"zz\r\n" + PAGE), {Reason.INCOMPLETE_BODY}),
    "has a negative chunk size": (
        sends(CHUNKED + b"-5\r\n" + PAGE + b"\r\n0\r\n\r\n"),
        {Reason.INCOMPLETE_BODY},
    ),
    "has a chunk of size -1, endlessly": (
        sends_endlessly(CHUNKED + b"-1\r\n", b"x"),
        {Reason.INCOMPLETE_BODY},
    ),
    "has a chunk size of 20,000 digits": (
        sends(CHUNKED + b"f" * 20_000 + b"\r\n" + PAGE),
        {Reason.INCOMPLETE_BODY},
    ),
    "has a chunk size with an underscore": (
        sends(CHUNKED + b"0_c\r\n" + PAGE + b"\r\n0\r\n\r\n"),
        {Reason.INCOMPLETE_BODY},
    ),
    "has a chunk that is longer than its size": (
        sends(CHUNKED + b"3\r\n" + PAGE + b"\r\n0\r\n\r\n"),
        {Reason.INCOMPLETE_BODY},
    ),
    "closes within a chunk": (sends(CHUNKED + b"ff\r\n" + PAGE), {Reason.INCOMPLETE_BODY}),
    "closes before the last chunk": (sends(CHUNKED + b"c\r\n" + PAGE + b"\r\n"), {Reason.INCOMPLETE_BODY}),
    "has a Content-Length, and sends chunks endlessly": (
        sends_endlessly(
            HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"3e8\r\n" + b"x" * 1000 + b"\r\n",
        ),
        {Reason.TOO_LARGE},
    ),
    "has an unsupported transfer coding": (
        sends(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        {Reason.CONNECT},
    ),
    "truncates a coded body, with a matching length": (
        coded("gzip", gzip.compress(PAGE)[:-9]),
        {Reason.INCOMPLETE_BODY},
    ),
    "announces gzip, and sends plain text": (coded("gzip", PAGE), {Reason.CORRUPT_BODY}),
    "has an unsupported content coding": (coded("compress", PAGE), {Reason.CONTENT_TYPE}),
    "sends an unrequested part": (
        http(206, PAGE, "Content-Range: bytes 0-11/9000"),
        {Reason.HTTP_OTHER},
    ),
    "announces chunks without content": (
        sends_then_waits(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
        {Reason.HTTP_OTHER},
    ),
    "announces 10 GB without content": (
        sends_then_waits(b"HTTP/1.1 204 No Content\r\nContent-Length: 10737418240\r\n\r\n"),
        {Reason.HTTP_OTHER},
    ),
    "redirects to itself": (redirect("/"), {Reason.TOO_MANY_REDIRECTS}),
    "redirects to ever longer URLs": (
        lambda request: request.send(redirect(request.request.path + "x" * 900)),
        {Reason.HTTP_404, Reason.BAD_URL, Reason.TOO_MANY_REDIRECTS},
    ),
    "redirects with 10 GB": (
        sends_endlessly(HEAD.replace(b"200", b"302") + b"Location: /\r\n\r\n", b"x"),
        {Reason.TOO_MANY_REDIRECTS},
    ),
    "announces HTML, and sends too much of a film": (http(200, bytes(range(256)) * 500), {Reason.TOO_LARGE}),
    "sends a film": (http(200, b"\x00", content_type="video/mp4", length=10**10), {Reason.CONTENT_TYPE}),
}
BOMBS = {
    "gzip": ("gzip", ZEROS),
    "deflate": ("deflate", zlib.compress(bytes(64 * 2**20), 9)),
    "br": ("br", brotli.compress(bytes(64 * 2**20), quality=5)),
    "zstd": ("zstd", zstd.compress(bytes(64 * 2**20))),
    "gzip in gzip": ("gzip, gzip", gzip.compress(ZEROS)),
    "br in br": ("br, br", brotli.compress(brotli.compress(bytes(64 * 2**20), quality=5), quality=5)),
    "many": (", ".join(["gzip"] * 12), gzip.compress(PAGE)),
}


@pytest.mark.parametrize(("response", "reasons"), SERVERS.values(), ids=SERVERS.keys())
def test_hostile_server_gives_no_page_and_ends_within_the_budget(
    site: Site, response: Response, reasons: set[Reason], caplog: pytest.LogCaptureFixture
) -> None:
    """Each attempt fails with an expected reason and a detail of at most 1,000 characters, and logs nothing.

    Slow responses never end by themselves, so only the page budget can have ended them.
    """
    seconds = SHORT_BUDGET if Reason.PAGE_BUDGET_EXCEEDED in reasons else LONG_BUDGET
    fetcher = make_fetcher(max_redirects=3)
    failure = fetch_failure(fetcher, site.add("/", response), budget=PageBudget(seconds))
    assert failure.reason in reasons
    assert failure.detail
    assert len(failure.detail) <= 1000
    assert caplog.records == []


@pytest.mark.parametrize(("coding", "body"), BOMBS.values(), ids=BOMBS.keys())
def test_decompression_bomb_is_refused_before_it_fills_the_memory(
    site: Site, coding: str, body: bytes
) -> None:
    """A decompression bomb in any coding fails, and decoding uses less than 25 MiB of memory."""
    fetcher = make_fetcher(max_bytes=5 * 2**20)
    url = site.add("/", coded(coding, body))
    tracemalloc.start()
    try:
        failure = fetch_failure(fetcher, url)
        assert tracemalloc.get_traced_memory()[1] < 25 * 2**20
    finally:
        tracemalloc.stop()
    assert failure.reason is Reason.DECOMPRESSION_BOMB


def test_repetitive_page_is_not_a_decompression_bomb(site: Site) -> None:
    """A page of table rows, which compression makes a hundred times smaller, is accepted."""
    rows = b"".join(b"<tr><td>%d<td>0<td>0</tr>" % number for number in range(60_000))
    page = b"<table>" + rows + b"</table>"
    url = site.add("/", coded("br", brotli.compress(page, quality=5)))
    assert fetch(make_fetcher(max_bytes=5 * 2**20), url).body == page


def test_unrequested_response_is_not_read_as_the_next(site: Site) -> None:
    """If a server sends two responses to one request, the second is not used for the next request."""
    site.add("/1", http(200, b"<h1>One</h1>") + http(200, b"<h1>Poison</h1>"))
    site.add("/2", http(200, b"<h1>Two</h1>"))
    fetcher = make_fetcher()
    for path, title in (("/1", b"One"), ("/2", b"Two"), ("/1", b"One"), ("/2", b"Two")):
        assert title in fetch(fetcher, site.url(path)).body


def test_idle_connection_that_was_closed_is_replaced(site: Site) -> None:
    """If the site closed an idle connection, the next request uses a new connection and succeeds."""
    fetcher = make_fetcher()
    for _ in range(3):
        assert fetch(fetcher, site.add("/", sends(http(200, PAGE)))).body == PAGE
    assert site.connections == 3


def test_slow_tls_handshake_ends_within_the_budget() -> None:
    """A TLS handshake that would take more than five minutes is ended by the page budget."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def send_handshake_slowly() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(0.02)
                for byte in b"\x16\x03\x03\x40\x00" + bytes(0x4000):
                    try:
                        connection.send(bytes([byte]))
                        if connection.recv(4096) == b"":
                            return
                    except TimeoutError:
                        continue
                    except OSError:
                        return

        server = Thread(target=send_handshake_slowly)
        server.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        failure = fetch_failure(make_fetcher(), url, budget=PageBudget(SHORT_BUDGET))
        # On a busy machine the budget may end before the fetcher connects. Connect here, so that accept()
        # returns in any case.
        socket.create_connection(listener.getsockname()).close()
        server.join()
    assert failure.reason in {Reason.PAGE_BUDGET_EXCEEDED, Reason.TLS}
