"""Header fields are read as browsers read them, and the length of the body is never read wrongly."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guarded_http.errors import FetchError, FetchErrorKind
from guarded_http.header_fields import MAX_HEADER_BYTES, HeaderReader, normal_fields
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


@many_examples
@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"") + b"\r\n"), max_size=8))
def test_every_line_is_a_field_or_ignored(lines: list[bytes]) -> None:
    """Each normal field is one line with a name, a colon and a value, whatever the lines are."""
    try:
        fields = list(normal_fields(lines))
    except FetchError:
        return
    for field in fields:
        assert field.endswith(b"\r\n")
        assert b"\r" not in field[:-2]
        assert b"\n" not in field[:-2]
        assert b"\0" not in field
        assert field.partition(b": ")[0].strip()
    assert list(normal_fields(fields)) == fields


@given(st.binary(max_size=200))
def test_header_reader_reads_no_byte_of_the_body(body: bytes) -> None:
    """After the empty line, the reader has consumed the header, and nothing else."""
    stream = io.BytesIO(b"HTTP/1.1 200 OK\r\nA: b\r\nodd\r\n\r\n" + body)
    reader = HeaderReader(stream)
    assert [reader.readline(), reader.readline(), reader.readline()] == [
        b"HTTP/1.1 200 OK\r\n",
        b"A: b\r\n",
        b"\r\n",
    ]
    assert stream.read() == body
