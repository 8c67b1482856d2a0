"""Header fields are read as browsers read them, and the length of the body is never read wrongly."""

import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guarded_http.errors import FetchError, FetchErrorKind
from guarded_http.response_head import MAX_HEADER_BYTES, parse_fields, parse_head
from tests.extraction.many_examples import many_examples
from tests.guarded_http.requesting import get_body, get_error, local_client
from tests.servers.site import PendingRequest, Site

PAGE = b"<h1>One</h1>"


def respond(*fields: bytes, body: bytes = PAGE) -> bytes:
    """Return a response with these header fields."""
    return b"\r\n".join([b"HTTP/1.1 200 OK", *fields, b"", b""]) + body


LENGTH = b"Content-Length: %d" % len(PAGE)


@pytest.mark.parametrize(
    "fields",
    [
        [LENGTH, *(b"X-%d: y" % number for number in range(300))],
        [*(b"Set-Cookie: c%d=1" % number for number in range(101)), LENGTH],
        [b"no colon here", LENGTH],
        [b"HTTP/1.1 200 OK", LENGTH],
        [b"<!-- a comment: x -->", LENGTH],
        [b": no name", LENGTH],
        [b"Two Words: x", LENGTH],
        [b"  begins with white space: x", LENGTH],
        [b"X: folded", b"  value", LENGTH],
        [b"X: a\rb\0c", LENGTH],
        [b"X-\xe9: y", b"X: \xe9", LENGTH],
        [b"From nobody", LENGTH],
        [b"Content-Length : %d" % len(PAGE)],
        [b"Content-Length:%d \t" % len(PAGE)],
        [b"Content-Length:", b" %d" % len(PAGE)],
        [b"Content-Type: multipart/mixed", LENGTH],
        [b"Transfer-Encoding: identity", LENGTH],
    ],
)
def test_odd_header_fields_do_not_matter(site: Site, fields: list[bytes]) -> None:
    """A response with many or odd fields is read up to its Content-Length, and the connection is reused."""
    client = local_client()
    for path in ("/1", "/2"):
        assert get_body(client, site.add(path, respond(*fields))) == PAGE
    assert site.connections == 1


@pytest.mark.parametrize(
    "field",
    [
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\tChunked \t",
        b"Transfer-Encoding: identity, chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3",
        b"odd line\r\nTransfer-Encoding:\r\n chunked",
    ],
)
def test_chunks_are_read_however_the_field_is_written(site: Site, field: bytes) -> None:
    """White space, case and repetition in Transfer-Encoding do not matter."""
    body = b"%x ; extension=1\r\n%s\r\n0\r\n\r\n" % (len(PAGE), PAGE)
    assert get_body(local_client(), site.add("/", respond(field, body=body))) == PAGE


@pytest.mark.parametrize(
    "field",
    [
        b"Content-Length 12",
        b"Content Length: 12\r\nContent-Length\x0b: 12",
        b"Transfer-Encoding\0: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: xchunked",
        b"Content-Length: 12, 13",
        b"Content-Length: 0x0c",
    ],
)
def test_malformed_length_fails_with_connect(site: Site, field: bytes) -> None:
    """A response whose length cannot be read with certainty is refused."""
    assert get_error(local_client(), site.add("/", respond(field))).kind is FetchErrorKind.CONNECT


def test_header_of_many_fields_is_bounded_in_bytes(site: Site) -> None:
    """A header with very many small fields is refused at the maximum number of bytes."""

    def send(request: PendingRequest) -> None:
        request.send(respond(*([b"X: y"] * (MAX_HEADER_BYTES // 4))))

    error = get_error(local_client(), site.add("/", send))
    assert (error.kind, error.detail) == (
        FetchErrorKind.CONNECT,
        f"the header has more than {MAX_HEADER_BYTES} bytes",
    )


def test_fields_of_interim_responses_are_skipped(site: Site) -> None:
    """The odd fields of an interim response do not belong to the response."""
    interim = b"HTTP/1.1 103 Early Hints\r\nodd line\r\nContent-Length: 3\r\n\r\n"
    assert get_body(local_client(), site.add("/", interim + respond(LENGTH))) == PAGE


@pytest.mark.parametrize(
    ("lines", "name", "value"),
    [
        (["A: b"], "a", "b"),
        (["A:b\r"], "A", "b"),
        (["A \t: \t b \t\r"], "a", "b"),
        (["A: b", "a: c"], "A", "b, c"),
        (["A: b", " c", "\td "], "a", "b c d"),
        (["A:", " 12"], "a", "12"),
        (["A: b", "no field", " c"], "a", "b"),
        (["A: b\rc\0d"], "a", "b c d"),
        (["A: b:c"], "a", "b:c"),
        (["A: \xe9"], "a", "\xe9"),
        (["\xc4: b"], "\xc4", ""),
        ([" A: b"], "a", ""),
    ],
)
def test_field_has_the_value_that_browsers_read(lines: list[str], name: str, value: str) -> None:
    """Case and white space do not matter, values of one name are joined, and other lines are ignored."""
    assert parse_fields(lines).get(name) == value


@many_examples
@given(st.lists(st.text(st.characters(max_codepoint=255, exclude_characters="\n"), max_size=20), max_size=8))
def test_every_line_is_a_field_or_ignored(lines: list[str]) -> None:
    """Each field has a token as its name and one line as its value, and is the same if it is read again."""
    try:
        fields = parse_fields(lines)
    except FetchError:
        return
    names = {re.split(r"[ \t:]", line)[0] for line in lines if ":" in line}
    written = [f"{name}: {value}\r" for name in names for value in fields.get_all(name)]
    for line in written:
        assert re.fullmatch(r"[!-~]+: ([^ \t\r\n\0]([^\r\n\0]*[^ \t\r\n\0])?)?\r", line)
    again = parse_fields(written)
    for name in names:
        assert set(again.get_all(name)) == set(fields.get_all(name))


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("HTTP/1.1 200 OK\r\n\r\n", 200),
        ("HTTP/1.1 200\r\n\r\n", 200),
        ("HTTP/1.1 200\n\n", 200),
        ("HTTP/1.0  404  Not found\r\n\r\n", 404),
        ("HTTP/1.1 999 \xe9\r\nA: b\r\n\r\n", 999),
    ],
)
def test_status_is_read(head: str, status: int) -> None:
    """The status line may have no reason phrase, and any white space and line end."""
    assert parse_head(head).status == status


@pytest.mark.parametrize(
    ("head", "keeps_connection"),
    [
        ("HTTP/1.1 200 OK\nContent-Length: 1\n\n", True),
        ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", True),
        ("HTTP/1.1 204 No Content\n\n", True),
        ("HTTP/1.0 200 OK\nContent-Length: 1\nConnection: Keep-Alive\n\n", True),
        ("HTTP/1.1 200 OK\nContent-Length: 1\nConnection: x, Close\n\n", False),
        ("HTTP/1.1 200 OK\nContent-Length: 1\nTransfer-Encoding: chunked\n\n", False),
        ("HTTP/1.1 200 OK\n\n", False),
        ("HTTP/1.0 200 OK\nContent-Length: 1\n\n", False),
        ("HTTP/1.1 101 Switching Protocols\n\n", False),
    ],
)
def test_connection_is_kept_only_if_the_end_of_the_body_is_certain(head: str, keeps_connection: bool) -> None:
    """A connection is used again after HTTP/1.1 without `close`, if nothing may be read in two ways."""
    assert parse_head(head).keeps_connection is keeps_connection


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_head_is_parsed_or_refused(text: str) -> None:
    """Whatever the bytes are, a head has a status and a length, or is refused."""
    try:
        head = parse_head(f"HTTP/1.1 200 OK\n{text}\n\n")
    except FetchError:
        return
    assert head.status == 200
    assert head.length is None or (head.length >= 0 and not head.is_chunked)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_pieces_in_which_a_response_arrives_do_not_matter(site: Site, size: int) -> None:
    """A response is read in the same way, in whatever pieces the network delivers it."""
    chunks = b"5\r\n<h1>O\r\n7;x=y\r\nne</h1>\r\n0\r\nT: x\r\n\r\n"
    responses = {
        "/length": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + respond(b"A: b", LENGTH),
        "/chunks": respond(b"Transfer-Encoding: chunked", body=chunks),
        "/lines": b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n" + chunks.replace(b"\r\n", b"\n"),
    }

    def send_in_pieces(request: PendingRequest) -> None:
        response = responses[request.request.path]
        request.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(response), size):
            request.send(response[start : start + size])

    for path in responses:
        assert get_body(local_client(), site.add(path, send_in_pieces)) == PAGE
