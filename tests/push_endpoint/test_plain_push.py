"""Tests that a plain push is read as gunicorn's parser would read it, and that other requests are not."""

from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser
from hypothesis import example, given, settings
from hypothesis import strategies as st

from push_endpoint.plain_push import MAX_BODY_BYTES, MAX_FIELDS, MAX_HEAD_BYTES, OtherRequest, read_push
from tests.servers.malformed_requests import BODY, HEAD, MALFORMED_HEADS, OTHER_REQUESTS

PUSH = HEAD + b"\r\n" + BODY


def read_with_gunicorn(received: bytes) -> tuple[dict[str, str], bytes, bytes]:
    """Return the header fields, the body and the following bytes of `POST /`, as gunicorn reads them."""
    parser: Any = RequestParser(Config(), [received], ("127.0.0.1", 1))
    request = next(parser)
    assert (request.method, request.uri, request.version) == ("POST", "/", (1, 1))
    assert not request.should_close()
    headers = {name.lower(): value for name, value in request.headers}
    assert len(headers) == len(request.headers)
    return headers, request.body.read(), parser.unreader.take_buffered()


def assert_gunicorn_agrees(received: bytes) -> None:
    """If the bytes begin with a plain push, gunicorn reads the same push from them."""
    try:
        push = read_push(received)
    except OtherRequest:
        return
    if not isinstance(push, int):
        assert (push.headers, push.body, received[push.size :]) == read_with_gunicorn(received)


def test_push_is_read_with_its_fields_and_body() -> None:
    """The fields have names in lower case and values without surrounding space; other bytes are left."""
    push = read_push(PUSH + b"POST")
    assert not isinstance(push, int)
    assert (push.body, push.size) == (BODY, len(PUSH))
    assert push.headers["host"] == "127.0.0.1"
    assert push.headers["authorization"] == "Bearer a.b.c"
    assert_gunicorn_agrees(PUSH + b"POST")


@pytest.mark.parametrize("size", range(len(PUSH)))
def test_every_beginning_of_a_push_can_be_completed(size: int) -> None:
    """A push in pieces is never taken for another request, and never waits for more than its own bytes."""
    missing = read_push(PUSH[:size])
    assert isinstance(missing, int)
    assert size < missing <= len(PUSH)


@pytest.mark.parametrize("head", [*MALFORMED_HEADS.values(), *OTHER_REQUESTS.values()])
def test_other_requests_are_left_to_gunicorn(head: bytes) -> None:
    """A request that is malformed, or that is read or answered differently, is not a plain push."""
    with pytest.raises(OtherRequest):
        read_push(head + b"\r\n" + BODY)


@pytest.mark.parametrize("head", MALFORMED_HEADS.values(), ids=MALFORMED_HEADS.keys())
def test_gunicorn_refuses_the_malformed_examples(head: bytes) -> None:
    """The malformed examples are requests that gunicorn refuses."""
    with pytest.raises(ParseException):
        read_with_gunicorn(head + b"\r\n" + BODY)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (b"X: %s\r\n" % (b"x" * MAX_HEAD_BYTES), b""),
        (b"X" * MAX_HEAD_BYTES, b""),
        (b"".join(b"X-%d: \r\n" % number for number in range(MAX_FIELDS)), b""),
        (b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), b"x" * (MAX_BODY_BYTES + 1)),
    ],
    ids=["long field", "endless field", "many fields", "large body"],
)
def test_large_requests_are_left_to_gunicorn(fields: bytes, body: bytes) -> None:
    """A request over one of the limits is not kept in memory to be completed."""
    with pytest.raises(OtherRequest):
        read_push(b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n" + body)


def test_largest_push_is_read() -> None:
    """A push whose head and body have exactly the maximum size is read, and gunicorn would accept it."""
    begin = b"POST / HTTP/1.1\r\nContent-Length: %d\r\nX: " % MAX_BODY_BYTES
    head = begin + b"x" * (MAX_HEAD_BYTES - len(begin) - 4) + b"\r\n\r\n"
    push = read_push(head + b"x" * MAX_BODY_BYTES)
    assert not isinstance(push, int)
    assert len(push.body) == MAX_BODY_BYTES
    assert_gunicorn_agrees(head + b"x" * MAX_BODY_BYTES)


NAMES = st.sampled_from(
    ["Host", "Content-Length", "content-length", "Transfer-Encoding", "Connection", "Expect", "Upgrade",
     "X-Forwarded-Proto", "X-Forwarded-Ssl", "X_Forwarded_For", "Content-Type", "Trailer", "X"]
) | st.text(max_size=3)  # fmt: skip
VALUES = st.sampled_from(
    ["3", "0", "+3", "03", "3, 3", "-1", "²", "0x3", "chunked", "identity", "close", "keep-alive", "https",
     "on", "100-continue", "h2c", "a\tb", "\x00", "\x7f", "\xe9", "a\rb", "a\nb"]
) | st.text(max_size=3)  # fmt: skip
SEPARATORS = st.sampled_from([": ", ":", ":\t ", " : ", ";", ""])
LINE_ENDS = st.sampled_from(["\r\n"] * 8 + ["\n", "\r", "\r\r\n", "\r\n ", "\r\n\t", "\r\n\r\n", ""])
FIELDS = st.builds("".join, st.tuples(NAMES, SEPARATORS, VALUES, LINE_ENDS))
REQUEST_LINES = st.sampled_from(
    ["POST / HTTP/1.1\r\n"] * 6
    + ["\r\nPOST / HTTP/1.1\r\n", "POST / HTTP/1.0\r\n", "post / HTTP/1.1\r\n", "POST  / HTTP/1.1\r\n",
       "POST /x HTTP/1.1\r\n", "POST / HTTP/1.1\n", "POST / HTTP/1.1 \r\n", "POST /\r\n"]
)  # fmt: skip


@settings(max_examples=1000)
@given(
    line=REQUEST_LINES,
    fields=st.lists(FIELDS, max_size=4),
    length=st.sampled_from(["Content-Length: 3\r\n", "content-length:5 \r\n", ""]),
    body=st.sampled_from(["abc", "abcde", "0\r\n\r\n", "abcPOST / HTTP/1.1\r\n"]),
)
@example(line="POST / HTTP/1.1\r\n", fields=["X_Y: 1\r\n"], length="Content-Length: 3\r\n", body="abc")
def test_whatever_is_read_as_a_push_is_read_alike_by_gunicorn(
    line: str, fields: list[str], length: str, body: str
) -> None:
    """No bytes are accepted that gunicorn refuses or understands differently, as in request smuggling."""
    assert_gunicorn_agrees(f"{line}{''.join(fields)}{length}\r\n{body}".encode("latin-1", "replace"))


@given(position=st.integers(0, len(PUSH) - 1), replacement=st.binary(max_size=3))
def test_a_changed_push_is_read_alike_by_gunicorn(position: int, replacement: bytes) -> None:
    """A push with one byte replaced is read as gunicorn reads it, or is left to gunicorn."""
    assert_gunicorn_agrees(PUSH[:position] + replacement + PUSH[position + 1 :])
