"""Decompresses and decodes a file with URLs as a stream, and knows the bytes at which its lines begin."""

import codecs
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

from contract.shard import FilePosition
from dispatcher.sources.opened_file import CHANGED, OpenedFile
from dispatcher.sources.reading_budget import ReadingBudget
from dispatcher.sources.source import SourceUnreadable
from guarded_http.content_coding import GZIP_MAGIC, check_ratio, decode_content
from guarded_http.errors import FetchError

PIECE_BYTES = 2 * 1024  #: maximum number of gzipped bytes of a piece; one byte may decode to a thousand


class FileText:
    """The text of a file.

    Args:
        opened: the file, of which nothing has been read yet.
        start: the place at which reading begins.
        budget: the time for reading all sources of the crawl.
        max_bytes: the maximum size of the decompressed file in bytes.
    """

    def __init__(
        self, opened: OpenedFile, start: FilePosition, budget: ReadingBudget, *, max_bytes: int
    ) -> None:
        self._opened = opened
        self._start = start
        self._budget = budget
        self._max_bytes = max_bytes
        self._has_ranges = opened.has_ranges
        # Places of line beginnings, each as (number of lines before it, number of bytes before it). A line
        # that was read ends after the last place or the one before.
        self._places = deque([(start.offset_line, start.offset)], maxlen=2)

    def position(self, line: int) -> FilePosition:
        """Return the place after a line, the last one that was read."""
        places = [place for place in self._places if place[0] <= line] if self._has_ranges else []
        offset_line, offset = places[-1] if places else (0, 0)
        return FilePosition(
            line=line, offset=offset, offset_line=offset_line, validator=self._opened.validator
        )

    def pieces(self) -> Iterator[str]:
        """Yield the text from the byte of the start; bytes that are not UTF-8 become U+FFFD.

        Raises:
            SourceUnavailable: if the time for reading is spent.
            SourceUnreadable: if the file cannot be decompressed, is too large, or is shorter than the start.
        """
        lines, size = self._start.offset_line, self._start.offset
        # Only the first character of a file is a byte order mark.
        decoder = codecs.getincrementaldecoder("utf-8" if size else "utf-8-sig")(errors="replace")
        for chunk in self._decompressed():
            self._budget.remaining()
            if newlines := chunk.count(b"\n"):
                lines += newlines
                self._places.append((lines, size + chunk.rindex(b"\n") + 1))
            size += len(chunk)
            if size > self._max_bytes:
                raise SourceUnreadable(f"larger than {self._max_bytes} bytes (URLS_FILE_MAX_BYTES)")
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)

    def _decompressed(self) -> Iterator[bytes]:
        """Yield the bytes of the file. Gzip is recognised by its first bytes, whatever the name is."""
        chunks = self._opened.chunks
        if self._start.offset:
            yield from self._from_start(chunks)
            return
        head = b""
        while len(head) < len(GZIP_MAGIC) and (chunk := next(chunks, b"")):
            head += chunk
        whole: Iterator[bytes] = chain([head], chunks)
        if head.startswith(GZIP_MAGIC):
            self._has_ranges = False
            whole = self._gunzipped(whole)
        yield from whole

    def _from_start(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the bytes from the start, also if the server sent those before it, too."""
        surplus = self._start.offset - self._opened.offset
        if surplus < 0:
            raise SourceUnreadable("the server sent a later part of the file than it was asked for")
        for chunk in chunks:
            self._budget.remaining()
            if len(chunk) > surplus:
                yield chunk[surplus:]
            surplus = max(0, surplus - len(chunk))
        if surplus:
            raise SourceUnreadable(CHANGED)

    def _gunzipped(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        received = decoded = 0

        def pieces() -> Iterator[bytes]:
            nonlocal received
            for chunk in chunks:
                for start in range(0, len(chunk), PIECE_BYTES):
                    piece = chunk[start : start + PIECE_BYTES]
                    received += len(piece)
                    yield piece

        try:
            for piece in decode_content(pieces(), "gzip"):
                decoded += len(piece)
                check_ratio(received, decoded)
                yield piece
        except FetchError as error:
            raise SourceUnreadable(f"{error.kind}, {error}") from None
