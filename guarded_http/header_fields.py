"""Reads the header of a response as browsers do: lines that are no fields are ignored, as is white space.

The library's own parser takes the first line that is no field for the beginning of the body, so that all
further fields, and with them the length of the body, would be lost.
"""

import io
import re
from collections.abc import Iterable, Iterator

from contract.quoting import quote
from guarded_http.errors import FetchError, FetchErrorKind

MAX_HEADER_BYTES = 64 * 1024  #: maximum size of status line and header fields, including 1xx responses
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_FRAMING = re.compile(rb"transfer-encoding|content-length", re.IGNORECASE)
#: Fields are given to http.client in pieces of this size, because it counts pieces, and accepts at most 100.
PIECE_BYTES = 16 * 1024


class HeaderReader:
    """Reads status lines unchanged and header fields in a normal form, for http.client.

    Args:
        reader: reads the bytes of the response.
    """

    def __init__(self, reader: io.BufferedIOBase) -> None:
        self._reader = reader
        self._pieces: Iterator[bytes] | None = None

    def readline(self, limit: int = -1) -> bytes:
        """Return a status line; then the fields in pieces of several lines; then an empty line.

        Raises:
            FetchError: `connect`, if the header is too large, or a field with the length of the body is
                malformed.
        """
        if self._pieces is None:
            self._pieces = self._fields()
            return self._reader.readline(limit)
        piece = next(self._pieces, None)
        if piece is not None:
            return piece
        self._pieces = None  # an interim response is followed by another status line
        return b"\r\n"

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()

    def _fields(self) -> Iterator[bytes]:
        piece = b""
        for line in normal_fields(self._lines()):
            if piece and len(piece) + len(line) > PIECE_BYTES:
                yield piece
                piece = b""
            piece += line
        if piece:
            yield piece

    def _lines(self) -> Iterator[bytes]:
        size = 0
        while (line := self._reader.readline(MAX_HEADER_BYTES + 1)) not in {b"\r\n", b"\n", b""}:
            size += len(line)
            if size > MAX_HEADER_BYTES:
                raise FetchError(FetchErrorKind.CONNECT, f"the header has more than {MAX_HEADER_BYTES} bytes")
            yield line


def normal_fields(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each field as `name: value`, without white space around name and value.

    A line that begins with white space continues the field before it (RFC 9112 section 5.2). A line without a
    colon, or whose name contains other characters than a token, is ignored. CR and NUL inside a value become
    spaces (RFC 9110 section 5.5).

    Args:
        lines: the lines between status line and empty line.

    Raises:
        FetchError: `connect`, if an ignored line could have the length of the body.
    """
    field: bytes | None = None
    for line in lines:
        text = line.rstrip(b"\r\n")
        if text[:1] in {b" ", b"\t"}:
            field = field and field.rstrip(b"\r\n") + b" " + _normal_value(text) + b"\r\n"
            continue
        if field:
            yield field
        name, colon, value = text.partition(b":")
        field = name.rstrip(b" \t") + b": " + _normal_value(value) + b"\r\n"
        if not colon or not _TOKEN.fullmatch(name.rstrip(b" \t")):
            field = None
            if _FRAMING.search(name):
                shown = quote(text.decode("latin-1"), 80)
                raise FetchError(FetchErrorKind.CONNECT, f"a malformed header field: {shown}")
    if field:
        yield field


def _normal_value(value: bytes) -> bytes:
    return value.replace(b"\r", b" ").replace(b"\0", b" ").strip(b" \t")
