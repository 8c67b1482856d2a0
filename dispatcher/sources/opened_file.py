"""Represents a file whose bytes are being received, from its beginning or from a later byte. Pure."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from dispatcher.sources.source import SourceUnreadable

CHANGED = "the file has changed since its first part was dispatched; dispatch the crawl again"
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-")


class OpenedFile(NamedTuple):
    """A file.

    Attributes:
        chunks: its bytes.
        validator: a text that is another one when the file has changed; `""` if its server has none.
        offset: number of bytes of the file before the first chunk.
        has_ranges: whether a later request may begin at any byte of what `chunks` yields.
    """

    chunks: Iterator[bytes]
    validator: str
    offset: int = 0
    has_ranges: bool = True


def first_byte(status: int, content_range: str) -> int:
    """Return the number of bytes before the body of a response.

    Args:
        status: 200, 206 or 416.
        content_range: the Content-Range header; `""` if missing.

    Raises:
        SourceUnreadable: if the file has become shorter, or the response has another range than it says.
    """
    if status == 416:
        raise SourceUnreadable(CHANGED)
    if status != 206:
        return 0
    match = _CONTENT_RANGE.match(content_range)
    if match is None:
        raise SourceUnreadable("the server answered 206 without a valid Content-Range")
    return int(match[1])
