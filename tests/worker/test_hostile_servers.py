"""Hostile servers, on real sockets: none is taken for a page, and none holds a job beyond its budget."""

import gzip
import socket
import time
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
from tests.worker.fetching import IGNORE_ROBOTS, fetch_failure, make_fetcher
from worker.budget import PageBudget

BUDGET_SECONDS = 0.5
SLACK_SECONDS = 8  #: a busy machine's; who drips goes on for longer
PAGE = b"<h1>One</h1>"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def sending(*parts: bytes) -> Callable[[PendingRequest], None]:
    """Return a server that sends these bytes and closes."""
    return lambda visit: visit.send(b"".join(parts))


def dripping(start: bytes, slowly: bytes) -> Callable[[PendingRequest], None]:
    """Return a server that sends the start at once, and the rest byte by byte."""

    def drip(visit: PendingRequest) -> None:
        visit.send(start)
        visit.send_slowly(slowly)

    return drip


def repeating(start: bytes, again: bytes) -> Callable[[PendingRequest], None]:
    """Return a server that sends `again` for as long as anybody takes it."""

    def repeat(visit: PendingRequest) -> None:
        visit.send(start)
        while True:
            visit.send(again * max(1, 65536 // len(again)))

    return repeat


def silent_after(start: bytes) -> Callable[[PendingRequest], None]:
    """Return a server that sends the start and then nothing, with the connection open."""

    def silence(visit: PendingRequest) -> None:
        visit.send(start)
        visit.wait_until_closed()

    return silence


def packed(coding: str, body: bytes) -> bytes:
    """Return an answer in a content coding."""
    return http(200, body, f"Content-Encoding: {coding}")


def nothing_in_gzip(size: int) -> bytes:
    """Return `size` NULs, packed a thousandfold."""
    packing = zlib.compressobj(9, wbits=31)
    return b"".join([packing.compress(bytes(2**20)) for _ in range(size // 2**20)]) + packing.flush()


ZEROS = nothing_in_gzip(64 * 2**20)
SERVERS: dict[str, tuple[Response, set[Reason]]] = {
    "says nothing": (PendingRequest.wait_until_closed, {Reason.PAGE_BUDGET_EXCEEDED}),
    "drips its status line": (dripping(b"", b"HTTP/1.1 200 OK" * 100), {Reason.PAGE_BUDGET_EXCEEDED}),
    "drips its header": (dripping(HEAD + b"X: ", b"y" * 1000), {Reason.PAGE_BUDGET_EXCEEDED}),
    "drips its body": (
        dripping(HEAD + b"Content-Length: 1000\r\n\r\n", b"x" * 1000),
        {Reason.PAGE_BUDGET_EXCEEDED},
    ),
    "drips its chunk sizes": (dripping(CHUNKED, b"1\r\nx\r\n" * 200), {Reason.PAGE_BUDGET_EXCEEDED}),
    "drips its trailers": (
        dripping(CHUNKED + b"1\r\nx\r\n0\r\n", b"T: x\r\n" * 200),
        {Reason.PAGE_BUDGET_EXCEEDED},
    ),
    "drips a packed body": (
        dripping(HEAD + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(bytes(range(256)) * 9, 0)),
        {Reason.PAGE_BUDGET_EXCEEDED},
    ),
    "has a header without end": (repeating(HEAD, b"X: y\r\n"), {Reason.CONNECT}),
    "has a header field without end": (repeating(HEAD + b"X: ", b"y"), {Reason.CONNECT}),
    "has a status line without end": (repeating(b"HTTP/1.1 200 ", b"OK "), {Reason.CONNECT}),
    "has interim answers without end": (
        repeating(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        {Reason.CONNECT},
    ),
    "has trailers without end": (repeating(CHUNKED + b"0\r\n", b"T: x\r\n"), {Reason.TOO_LARGE}),
    "has a chunk size without end": (repeating(CHUNKED, b"0"), {Reason.INCOMPLETE_BODY, Reason.TOO_LARGE}),
    "has chunk extensions without end": (
        repeating(CHUNKED, b"1;x=y"),
        {Reason.INCOMPLETE_BODY, Reason.TOO_LARGE},
    ),
    "closes within its header": (sending(HEAD + b"X: half a fi"), {Reason.CONNECT}),
    "closes before its header ends": (sending(HEAD), {Reason.CONNECT}),
    "resets": (PendingRequest.reset, {Reason.CONNECT}),
    "speaks another protocol": (sending(b"220 mail.example ESMTP\r\n"), {Reason.CONNECT}),
    "speaks TLS on a plain port": (sending(b"\x15\x03\x01\x00\x02\x02\x46"), {Reason.CONNECT}),
    "has a garbage status": (sending(b"HTTP/1.1 two hundred\r\n\r\n" + PAGE), {Reason.CONNECT}),
    "has a status of four digits": (sending(b"HTTP/1.1 2000 OK\r\n\r\n" + PAGE), {Reason.CONNECT}),
    "speaks HTTP/0.9": (sending(PAGE), {Reason.CONNECT}),
    "speaks HTTP/2": (sending(b"HTTP/2 200\r\n\r\n" + PAGE), {Reason.CONNECT}),
    "has a garbled header": (
        sending(HEAD + b"no colon here\r\nContent-Length: 3\r\n\r\nabc"),
        {Reason.CONNECT},
    ),
    "announces more than it sends": (sending(http(200, PAGE, length=1000)), {Reason.INCOMPLETE_BODY}),
    "announces two lengths": (
        sending(HEAD + b"Content-Length: 3\r\nContent-Length: 12\r\n\r\n" + PAGE),
        {Reason.CONNECT},
    ),
    "announces a negative length": (sending(HEAD + b"Content-Length: -1\r\n\r\n" + PAGE), {Reason.CONNECT}),
    "announces a length in words": (sending(HEAD + b"Content-Length: 1e3\r\n\r\n" + PAGE), {Reason.CONNECT}),
    "announces 10 GB": (silent_after(HEAD + b"Content-Length: 10737418240\r\n\r\n"), {Reason.TOO_LARGE}),
    "announces a number without end": (
        silent_after(HEAD + b"Content-Length: " + b"9" * 9000 + b"\r\n\r\n"),
        {Reason.TOO_LARGE},
    ),
    "streams 10 GB": (repeating(HEAD + b"\r\n", b"x" * 1000), {Reason.TOO_LARGE}),
    "streams 10 GB in chunks": (repeating(CHUNKED, b"3e8\r\n" + b"x" * 1000 + b"\r\n"), {Reason.TOO_LARGE}),
    "streams 10 GB in single bytes": (repeating(CHUNKED, b"1\r\nx\r\n"), {Reason.TOO_LARGE}),
    "has a chunk of 10 GB": (repeating(CHUNKED + b"280000000\r\n", b"x" * 1000), {Reason.TOO_LARGE}),
    "has garbage for a chunk size": (sending(CHUNKED + b"zz\r\n" + PAGE), {Reason.INCOMPLETE_BODY}),
    "has a negative chunk size": (
        sending(CHUNKED + b"-5\r\n" + PAGE + b"\r\n0\r\n\r\n"),
        {Reason.INCOMPLETE_BODY},
    ),
    "has a chunk without beginning": (repeating(CHUNKED + b"-1\r\n", b"x"), {Reason.INCOMPLETE_BODY}),
    "closes within a chunk": (sending(CHUNKED + b"ff\r\n" + PAGE), {Reason.INCOMPLETE_BODY}),
    "closes before the last chunk": (sending(CHUNKED + b"c\r\n" + PAGE + b"\r\n"), {Reason.INCOMPLETE_BODY}),
    "announces a length, and chunks without end": (
        repeating(
            HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"3e8\r\n" + b"x" * 1000 + b"\r\n",
        ),
        {Reason.TOO_LARGE},
    ),
    "has a transfer coding of its own": (
        sending(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        {Reason.CONNECT},
    ),
    "cuts a packed body, consistently": (packed("gzip", gzip.compress(PAGE)[:-9]), {Reason.INCOMPLETE_BODY}),
    "says gzip and sends none": (packed("gzip", PAGE), {Reason.INCOMPLETE_BODY}),
    "says a coding nobody knows": (packed("rot13", PAGE), {Reason.CONTENT_TYPE}),
    "sends a part that nobody asked for": (
        http(206, PAGE, "Content-Range: bytes 0-11/9000"),
        {Reason.HTTP_OTHER},
    ),
    "has no content, in chunks": (
        silent_after(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
        {Reason.HTTP_OTHER},
    ),
    "has no content, of 10 GB": (
        silent_after(b"HTTP/1.1 204 No Content\r\nContent-Length: 10737418240\r\n\r\n"),
        {Reason.HTTP_OTHER},
    ),
    "redirects to itself": (redirect("/"), {Reason.TOO_MANY_REDIRECTS}),
    "redirects to ever longer URLs": (
        lambda visit: visit.send(redirect(visit.request.path + "x" * 900)),
        {Reason.HTTP_404, Reason.BAD_URL, Reason.TOO_MANY_REDIRECTS},
    ),
    "redirects with 10 GB": (
        repeating(HEAD.replace(b"200", b"302") + b"Location: /\r\n\r\n", b"x"),
        {Reason.TOO_MANY_REDIRECTS},
    ),
    "says HTML and sends a film": (http(200, bytes(range(256)) * 500), {Reason.TOO_LARGE}),
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


@pytest.mark.parametrize(("answer", "reasons"), SERVERS.values(), ids=SERVERS.keys())
def test_a_hostile_server_gives_no_page_and_takes_no_more_than_the_budget(
    site: Site, answer: Response, reasons: set[Reason], caplog: pytest.LogCaptureFixture
) -> None:
    """Each ends with the reason that says what it did, in time, whatever it sends; our log is not its."""
    fetcher = make_fetcher(max_redirects=3)
    url = site.add("/", answer)
    # Who is caught by what it sends is given the time to send it, on a slow machine too.
    seconds = BUDGET_SECONDS if Reason.PAGE_BUDGET_EXCEEDED in reasons else 20
    started = time.monotonic()
    end = fetch_failure(fetcher, url, budget=PageBudget(seconds))
    assert time.monotonic() - started < seconds + SLACK_SECONDS
    assert end.reason in reasons
    assert end.detail
    assert len(end.detail) <= 1000
    assert caplog.records == []


@pytest.mark.parametrize(("coding", "body"), BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_met_before_it_fills_the_memory(site: Site, coding: str, body: bytes) -> None:
    """`decompression_bomb`, in every coding, for a few megabytes of memory at the very most."""
    fetcher = make_fetcher(max_bytes=5 * 2**20)
    url = site.add("/", packed(coding, body))
    tracemalloc.start()
    try:
        end = fetch_failure(fetcher, url)
        assert tracemalloc.get_traced_memory()[1] < 25 * 2**20
    finally:
        tracemalloc.stop()
    assert end.reason is Reason.DECOMPRESSION_BOMB


def test_what_shrinks_well_is_no_bomb(site: Site) -> None:
    """A page of table rows packs a hundredfold, and is a page."""
    rows = (
        b"<table>" + b"".join(b"<tr><td>%d<td>0<td>0</tr>" % number for number in range(60_000)) + b"</table>"
    )
    site.add("/", packed("br", brotli.compress(rows, quality=5)))
    assert make_fetcher(max_bytes=5 * 2**20).fetch(site.url("/"), IGNORE_ROBOTS, PageBudget(10)).body == rows


def test_what_comes_unasked_is_not_the_next_pages_answer(site: Site) -> None:
    """A server that sends one answer too many poisons no other page of its connection."""
    site.add("/1", http(200, b"<h1>One</h1>") + http(200, b"<h1>Poison</h1>"))
    site.add("/2", http(200, b"<h1>Two</h1>"))
    fetcher = make_fetcher()
    for path, title in (("/1", b"One"), ("/2", b"Two"), ("/1", b"One"), ("/2", b"Two")):
        assert title in fetcher.fetch(site.url(path), IGNORE_ROBOTS, PageBudget(10)).body


def test_a_kept_connection_that_closes_is_asked_again(site: Site) -> None:
    """A site may close an idle connection whenever it likes: that costs a new one, not an attempt."""

    def once(visit: PendingRequest) -> None:
        visit.send(http(200, PAGE))

    fetcher = make_fetcher()
    for _ in range(3):
        assert fetcher.fetch(site.add("/", once), IGNORE_ROBOTS, PageBudget(10)).body == PAGE
    assert site.connections == 3


def test_a_slow_tls_handshake_ends_with_the_budget() -> None:
    """Bytes of a handshake now and then are no more than a body's."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(0.02)
                for byte in b"\x16\x03\x03\x40\x00" + bytes(1000):
                    try:
                        connection.send(bytes([byte]))
                        connection.recv(4096) or None
                        time.sleep(0.02)
                    except TimeoutError:
                        continue
                    except OSError:
                        return

        server = Thread(target=drip)
        server.start()
        started = time.monotonic()
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        end = fetch_failure(make_fetcher(), url, budget=PageBudget(BUDGET_SECONDS))
        assert time.monotonic() - started < BUDGET_SECONDS + SLACK_SECONDS
        server.join()
    assert end.reason in {Reason.PAGE_BUDGET_EXCEEDED, Reason.TLS}
