"""Tests of the HTTP response parser with complete, incomplete and invalid responses."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpubsub.push.http_response import BadHttpResponse, HttpResponse

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
#: The bytes of a response → its status, and whether the connection is reusable.
COMPLETE = {
    b"HTTP/1.1 204 No Content\r\n\r\n": (204, True),
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello": (200, True),
    b"HTTP/1.1 500 \r\ncontent-length:0\r\n\r\n": (500, True),
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n": (200, False),
    b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n": (200, False),
    b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n": (200, True),
    b"HTTP/1.1 503 Busy\r\n" + CHUNKED + b"5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n": (503, True),
    b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"0\r\nTrailer: x\r\n\r\n": (200, True),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx": (201, True),
    b"HTTP/1.1 102 Processing\r\n\r\n": (102, False),
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n": (304, True),
}


@given(wire=st.sampled_from(list(COMPLETE)), cuts=st.sets(st.integers(1, 150)))
def test_response_is_complete_with_its_last_byte(wire: bytes, cuts: set[int]) -> None:
    """A response is complete at its last byte and not before, for every division into pieces."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
    response = HttpResponse()
    progress = [response.feed(wire[start:end]) for start, end in pairwise(edges)]
    assert progress == [False] * (len(edges) - 2) + [True]
    assert (response.status, response.reusable) == COMPLETE[wire]


def test_response_without_length_ends_with_the_connection() -> None:
    """A body without announced length ends when the connection closes (RFC 9112 section 6.3, rule 8)."""
    response = HttpResponse()
    assert not response.feed(b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert response.close()
    assert not response.reusable


@pytest.mark.parametrize(
    "wire", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
def test_incomplete_response_is_not_accepted(wire: bytes) -> None:
    """A response is not accepted if the connection closes before the end of the response."""
    response = HttpResponse()
    assert not response.feed(wire)
    assert not response.close()


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 two OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n",
        b"x" * 70_000,
    ],
    ids=["ssh", "http2", "status without digits", "negative length", "bad chunk", "endless head"],
)
def test_invalid_response_raises_bad_http_response(wire: bytes) -> None:
    """Bytes that are not HTTP/1.1 raise BadHttpResponse when they arrive, not at the ack deadline."""
    with pytest.raises(BadHttpResponse):
        HttpResponse().feed(wire)


def test_connection_is_not_reusable_after_bytes_beyond_the_content_length() -> None:
    """A connection is not reused if the response is longer than its Content-Length."""
    response = HttpResponse()
    assert response.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 500")
    assert (response.status, response.reusable) == (200, False)
