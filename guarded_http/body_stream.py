"""Reads the body of a response piece by piece, so that its size does not matter for the memory."""

from collections.abc import Iterator

from guarded_http.content_coding import check_ratio, decode_content
from guarded_http.errors import FetchError, FetchErrorKind
from guarded_http.response import CHUNK_BYTES, HttpResponse, translate_errors


def stream_body(response: HttpResponse, max_bytes: int) -> Iterator[bytes]:
    """Yield the decoded body in pieces of at most 128 KiB.

    Args:
        response: the response; its body has not been read.
        max_bytes: the largest permitted size, both as received and as decoded.

    Raises:
        FetchError: `too_large`, `decompression_bomb`, `incomplete_body`, `unsupported_encoding`, `timeout` or
            `tls`.
        Exception: the deadline's own exception, if the deadline has passed.
    """
    budget = response._budget  # noqa: SLF001 - this module is a part of the client
    with translate_errors(
        budget.deadline, response.url, kind=FetchErrorKind.INCOMPLETE_BODY, status=response.status
    ):
        # More than the maximum, because the bytes of chunk sizes and trailers are counted, too.
        budget.remaining_bytes = 2 * max_bytes + CHUNK_BYTES
        chunks = response._chunks()  # noqa: SLF001 - this module is a part of the client
        size = 0
        for chunk in decode_content(chunks, response.header("Content-Encoding")):
            size += len(chunk)
            budget.deadline.remaining()
            check_ratio(response.received, size)
            if max(size, response.received) > max_bytes:
                raise FetchError(FetchErrorKind.TOO_LARGE, f"the body has more than {max_bytes} bytes")
            yield chunk
