"""Reading the status of an HTTP answer, however it is cut into pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpubsub.push.http_response import BadHttpResponse, HttpResponse

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
#: bytes on the wire → status, reusable
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
def test_an_answer_is_complete_with_its_last_byte(wire: bytes, cuts: set[int]) -> None:
    """However the network cuts it: complete at the end, and not before."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
    answer = HttpResponse()
    progress = [answer.feed(wire[start:end]) for start, end in pairwise(edges)]
    assert progress == [False] * (len(edges) - 2) + [True]
    assert (answer.status, answer.reusable) == COMPLETE[wire]


def test_without_a_length_the_end_of_the_connection_ends_the_answer() -> None:
    """RFC 9112 section 6.3, rule 8."""
    answer = HttpResponse()
    assert not answer.feed(b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert answer.close()
    assert not answer.reusable


@pytest.mark.parametrize(
    "wire", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
def test_an_answer_cut_short_is_none(wire: bytes) -> None:
    """A connection that closes in the middle is a nack."""
    answer = HttpResponse()
    assert not answer.feed(wire)
    assert not answer.close()


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
    ids=["ssh", "http2", "no number", "negative length", "bad chunk", "endless"],
)
def test_what_is_no_answer_is_refused(wire: bytes) -> None:
    """Garbage is an error at once, not silence until the deadline."""
    with pytest.raises(BadHttpResponse):
        HttpResponse().feed(wire)


def test_more_than_was_announced_ends_the_connection() -> None:
    """Bytes beyond the length would be taken for the next answer."""
    answer = HttpResponse()
    assert answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 500")
    assert (answer.status, answer.reusable) == (200, False)
