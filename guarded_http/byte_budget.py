"""Limits the bytes and the time of one request.

A socket's timeout bounds one read, so a site that sends a byte now and then could keep a request open
forever. Here each read may take no longer than the deadline allows, under threads and under gevent.
"""

from collections.abc import Callable

from guarded_http.dialer import GRACE_SECONDS
from guarded_http.errors import Deadline, FetchError, FetchErrorKind
from guarded_http.response_head import MAX_HEADER_BYTES

MAX_SILENCE_SECONDS = 20.0  #: maximum number of seconds that one read waits for the site's next byte
#: Number of chunks of one body that may have any size. Further ones must have on average `MIN_CHUNK_BYTES`
#: with their sizes: a chunk takes a microsecond or more, and 5 MB may have a million of them.
MAX_TINY_CHUNKS = 20_000
MIN_CHUNK_BYTES = 32
WORK_BYTES = 64 * 1024  #: number of bytes after which other work of the process may continue


class ByteBudget:
    """The bytes and the time that one request may still take.

    Attributes:
        deadline: the request's deadline.
        remaining_bytes: bytes of the body that may still be received; None while the header is read,
            because the header has its own limit (`MAX_HEADER_BYTES`).
        received: bytes received for this request.

    Args:
        deadline: see above.
        yield_processor: called after each 64 KiB that were received or decoded.
    """

    def __init__(self, deadline: Deadline, yield_processor: Callable[[], object] = lambda: None) -> None:
        self.deadline = deadline
        self._yield_processor = yield_processor
        self._work = 0
        self._chunks = 0
        self.remaining_bytes: int | None = None
        self.received = 0

    def read_timeout(self) -> float:
        """Return how many seconds the next read may wait.

        Raises:
            Exception: the deadline's own exception, if the deadline has passed.
        """
        return min(MAX_SILENCE_SECONDS, self.deadline.remaining() + GRACE_SECONDS)

    def check(self) -> None:
        """Check that another read is permitted.

        Raises:
            FetchError: `connect` if the header is too large, `too_large` if the body is too large.
        """
        if self.remaining_bytes is None and self.received >= MAX_HEADER_BYTES:
            raise FetchError(FetchErrorKind.CONNECT, f"the header has more than {MAX_HEADER_BYTES} bytes")
        if self.remaining_bytes is not None and self.remaining_bytes <= 0:
            raise FetchError(
                FetchErrorKind.TOO_LARGE, "chunk sizes and trailers have more bytes than the body may have"
            )

    def count(self, size: int) -> None:
        """Count the bytes of one read."""
        if self.remaining_bytes is not None:
            self.remaining_bytes -= size
        self.received += size
        self.count_work(size)

    def count_work(self, size: int) -> None:
        """Count bytes that were received or decoded, and let other work of the process continue at times."""
        self._work += size
        if self._work >= WORK_BYTES:
            self._work = 0
            self._yield_processor()

    def count_chunk(self) -> None:
        """Count a chunk of a chunked body.

        Raises:
            FetchError: `too_large`, if the body has too many chunks for its size.
        """
        self._chunks += 1
        if self._chunks > MAX_TINY_CHUNKS + self.received // MIN_CHUNK_BYTES:
            detail = f"{self._chunks} chunks in {self.received} bytes; they are too small"
            raise FetchError(FetchErrorKind.TOO_LARGE, detail)
