"""No response takes much processor time, and other work of the process continues while one is read."""

import gzip
import os
import time
import zlib
from collections.abc import Callable

import pytest
from backports import zstd

from guarded_http.addresses import parse_networks
from guarded_http.byte_budget import MAX_TINY_CHUNKS, WORK_BYTES
from guarded_http.client import HttpClient
from guarded_http.content_coding import MAX_STREAMS, decode_content
from guarded_http.cookies import FetchCookies
from guarded_http.dialer import Dialer
from guarded_http.errors import FetchError, FetchErrorKind
from guarded_http.response import LARGE_BODY_BYTES
from guarded_http.response_head import MAX_SET_COOKIES
from tests.guarded_http.requesting import SecondsLeft, local_client
from tests.servers.site import Site, http

SIZE = 5 * 1024 * 1024  #: bytes of a body
#: Maximum number of seconds of processor time for a response. Each takes less than 0.4 s; empty zstd frames
#: took 7.7 s before their number was limited.
MAX_CPU_SECONDS = 3.0
HEAD = b"HTTP/1.1 200 OK\r\n"
END = b"Content-Length: 1\r\n\r\nx"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def repeat(piece: bytes, size: int = SIZE) -> bytes:
    """Return at most `size` bytes that repeat a piece."""
    return piece * (size // len(piece))


def coded(coding: str, body: bytes) -> bytes:
    """Return a response whose body has a content coding."""
    return http(200, body, f"Content-Encoding: {coding}")


RESPONSES: dict[str, Callable[[], bytes]] = {
    "empty zstd frames": lambda: coded("zstd", repeat(zstd.compress(b""))),
    "skipped zstd frames": lambda: coded("zstd", repeat(b"\x50\x2a\x4d\x18\0\0\0\0")),
    "empty zstd blocks": lambda: coded("zstd", b"\x28\xb5\x2f\xfd\0\x58" + repeat(bytes(3)) + b"\1\0\0"),
    "empty gzip members": lambda: coded("gzip", repeat(gzip.compress(b""))),
    "small gzip members": lambda: coded("gzip", repeat(gzip.compress(b"x"))),
    "zstd frames in gzip": lambda: coded("zstd, gzip", gzip.compress(repeat(zstd.compress(b"")))),
    "empty deflate blocks": lambda: coded("deflate", repeat(b"\0\0\0\xff\xff") + b"\3\0"),
    "empty brotli blocks": lambda: coded("br", b"\x0b" + repeat(b"\x06")),
    "a gzip of random bytes": lambda: coded("gzip", gzip.compress(os.urandom(SIZE - 4096), 1)),
    "a bomb": lambda: coded("deflate", zlib.compress(bytes(4 * SIZE))),
    "chunks of one byte": lambda: CHUNKED + repeat(b"1\r\nx\r\n", 2 * SIZE),
    "chunks with extensions": lambda: CHUNKED + repeat(b"1;a=b\r\nx\r\n", 2 * SIZE),
    "trailers": lambda: CHUNKED + b"0\r\n" + repeat(b"a:b\r\n", 2 * SIZE) + b"\r\n",
    "interim responses": lambda: repeat(b"HTTP/1.1 103 E\r\n\r\n", 65_000) + HEAD + END,
    "short fields": lambda: HEAD + repeat(b"a:\r\n", 65_000) + END,
    "different fields": lambda: HEAD + b"".join(b"%x:\r\n" % number for number in range(9_000)) + END,
    "Set-Cookie fields": lambda: HEAD + repeat(b"Set-Cookie: a=b\r\n", 65_000) + END,
    "Link fields": lambda: HEAD + repeat(b"Link: <x>\r\n", 65_000) + END,
    "continued fields": lambda: HEAD + b"X: a\r\n" + repeat(b" b\r\n", 65_000) + END,
}


@pytest.mark.parametrize("make", RESPONSES.values(), ids=RESPONSES.keys())
def test_hostile_response_takes_little_processor_time(site: Site, make: Callable[[], bytes]) -> None:
    """A response of 5 MiB, or with a header of 64 KiB, takes less than 3 s of processor time."""
    url, client = site.add("/", make()), local_client()
    started = time.thread_time()
    try:
        with client.send(url, SecondsLeft(120), cookies=FetchCookies()) as response:
            response.read_body(SIZE)
    except FetchError:
        pass
    assert time.thread_time() - started < MAX_CPU_SECONDS


@pytest.mark.parametrize(
    ("coding", "stream"), [("gzip", gzip.compress(b"x", mtime=0)), ("zstd", zstd.compress(b"x"))]
)
def test_number_of_compressed_streams_is_limited(coding: str, stream: bytes) -> None:
    """A body may have 10,000 gzip members or zstd frames, and with more it is a decompression bomb."""
    assert b"".join(decode_content(iter([stream * MAX_STREAMS]), coding)) == b"x" * MAX_STREAMS
    with pytest.raises(FetchError) as failure:
        list(decode_content(iter([stream * (MAX_STREAMS + 1)]), coding))
    assert failure.value.kind is FetchErrorKind.DECOMPRESSION_BOMB


def test_number_of_tiny_chunks_is_limited(site: Site) -> None:
    """A body may have 20,000 chunks of one byte; further chunks must be larger."""
    site.add("/ok", CHUNKED + b"1\r\nx\r\n" * MAX_TINY_CHUNKS + b"0\r\n\r\n")
    site.add("/tiny", CHUNKED + b"1\r\nx\r\n" * (2 * MAX_TINY_CHUNKS) + b"0\r\n\r\n")
    client = local_client()
    with client.send(site.url("/ok"), SecondsLeft(120)) as response:
        assert response.read_body(SIZE) == b"x" * MAX_TINY_CHUNKS
    with (
        client.send(site.url("/tiny"), SecondsLeft(120)) as response,
        pytest.raises(FetchError, match="too small") as failure,
    ):
        response.read_body(SIZE)
    assert failure.value.kind is FetchErrorKind.TOO_LARGE


def test_body_of_many_small_chunks_is_read(site: Site) -> None:
    """A body of 4 MiB whose chunks have 32 bytes each is read, however many they are."""
    chunk = b"20\r\n" + b"x" * 32 + b"\r\n"
    url = site.add("/", CHUNKED + chunk * (4 * 2**20 // 32) + b"0\r\n\r\n")
    with local_client().send(url, SecondsLeft(120)) as response:
        assert len(response.read_body(SIZE)) == 4 * 2**20


def test_number_of_set_cookie_fields_is_limited(site: Site) -> None:
    """Only the first 100 Set-Cookie fields of a response are read."""
    fields = [f"Set-Cookie: a{number}=b" for number in range(1_000)]
    with local_client().send(site.add("/", http(200, b"x", *fields)), SecondsLeft(120)) as response:
        cookies = response.header("Set-Cookie").split(", ")
    assert cookies == [f"a{number}=b" for number in range(MAX_SET_COOKIES)]


@pytest.mark.parametrize(
    ("response", "amount"),
    [
        (lambda: http(200, bytes(SIZE)), SIZE),
        (lambda: CHUNKED + b"400\r\n" + bytes(1024) + b"\r\n" + b"0\r\n\r\n", 0),
        (lambda: coded("gzip", gzip.compress(os.urandom(50_000) + bytes(SIZE - 50_000))), SIZE),
        (lambda: CHUNKED + b"1\r\nx\r\n" * 15_000 + b"0\r\n\r\n", 90_000),
    ],
    ids=["plain", "small", "coded", "tiny chunks"],
)
def test_other_work_continues_while_a_body_is_read(
    site: Site, response: Callable[[], bytes], amount: int
) -> None:
    """The processor is yielded after each 64 KiB that were received or decoded, at the latest."""
    yields = 0

    def yield_processor() -> None:
        nonlocal yields
        yields += 1

    dialer = Dialer(parse_networks("127.0.0.0/8"))
    client = HttpClient("scrapeq/test", dialer, yield_processor=yield_processor)
    with client.send(site.add("/", response()), SecondsLeft(120)) as answer:
        answer.read_body(SIZE, truncate=True)
    assert yields >= amount // (WORK_BYTES + 64 * 1024)
    assert (yields == 0) is (amount == 0)


@pytest.mark.parametrize(
    ("response", "calls", "first"),
    [
        (lambda: http(200, bytes(LARGE_BODY_BYTES)), 0, 0),
        (lambda: http(200, bytes(LARGE_BODY_BYTES + 1)), 1, 0),
        (lambda: CHUNKED + repeat(b"400\r\n" + bytes(1024) + b"\r\n") + b"0\r\n\r\n", 1, LARGE_BODY_BYTES),
        (lambda: coded("gzip", gzip.compress(os.urandom(9_000) + bytes(1_000_000))), 1, 1),
    ],
    ids=["small", "announced", "not announced", "coded"],
)
def test_caller_is_asked_before_a_large_body_is_read(
    site: Site, response: Callable[[], bytes], calls: int, first: int
) -> None:
    """`before_large` is called once, before 256 KiB are exceeded, or at once if so much is announced."""
    received = list[int]()
    with local_client().send(site.add("/", response()), SecondsLeft(120)) as answer:
        answer.read_body(SIZE, before_large=lambda: received.append(answer.received))
    assert len(received) == calls
    assert all(first <= count <= 2 * LARGE_BODY_BYTES for count in received)
    assert first or not any(received)


def test_error_of_the_caller_ends_a_large_body(site: Site) -> None:
    """An exception of `before_large` is passed on."""

    def refuse() -> None:
        raise TimeoutError

    url = site.add("/", http(200, bytes(SIZE)))
    with local_client().send(url, SecondsLeft(120)) as answer, pytest.raises(TimeoutError):
        answer.read_body(SIZE, before_large=refuse)
