"""Decompresses and decodes a sitemap in pieces, so that its whole text is never in memory. Pure."""

import codecs
from collections.abc import Callable, Iterator

from webencodings import Encoding

from contract.encodings import UTF_8, decode_chunks, find_encoding
from dispatcher.sources.source import SourceUnreadable
from extraction.decoding import decode
from extraction.errors import ExtractionError
from extraction.page import SavedPage
from guarded_http.content_coding import GZIP_MAGIC, check_ratio, decode_content
from guarded_http.errors import FetchError

PIECE_BYTES = 64 * 1024  #: maximum number of bytes of a piece of a sitemap that is not compressed
GZIP_PIECE_BYTES = 2 * 1024  #: maximum number of gzipped bytes of a piece; one byte may decode to a thousand
HEAD_BYTES = 1024  #: number of bytes in which the encoding is declared


def sitemap_text(
    raw: bytes, *, max_bytes: int, check_deadline: Callable[[], object] = lambda: None
) -> Iterator[str]:
    """Return the text of a sitemap, in pieces of at most about 128 Ki characters.

    Gzip is recognised by its first bytes, since sites often label it incorrectly. Bytes after the gzip data
    are ignored, as by gzip itself. All bytes are checked before the first piece is returned; they are
    decompressed a second time for the pieces, which takes less than a second for 50 MB.

    Args:
        raw: the sitemap as it was downloaded.
        max_bytes: the maximum size of the decompressed sitemap.
        check_deadline: called for each piece; raises an exception if no time remains.

    Raises:
        SourceUnreadable: if the gzip data is invalid, a decompression bomb, or decodes to more than
            `max_bytes`; or if the encoding is unknown.
    """
    try:
        encoding = _check(raw, max_bytes, check_deadline)
    except FetchError as error:
        raise SourceUnreadable(f"invalid gzip: {error}") from None
    except ExtractionError as error:
        raise SourceUnreadable(error.detail) from None
    return decode_chunks(_chunks(raw, check_deadline), encoding)


def _check(raw: bytes, max_bytes: int, check_deadline: Callable[[], object]) -> Encoding:
    """Return the encoding of a sitemap, after all its bytes were checked."""
    head, size, is_utf_8 = b"", 0, True
    decoder = codecs.getincrementaldecoder("utf-8")()
    for chunk in _chunks(raw, check_deadline):
        size += len(chunk)
        if size > max_bytes:
            raise SourceUnreadable(f"larger than {max_bytes} bytes")
        head += chunk[: HEAD_BYTES - len(head)]
        is_utf_8 = is_utf_8 and _is_valid(decoder, chunk)
    is_utf_8 = is_utf_8 and _is_valid(decoder, b"", final=True)
    # The extraction's rules decide, from a short page with the same declaration, and the same validity.
    sample = head.decode(errors="ignore").encode() if is_utf_8 else head + b"\xff"
    return find_encoding(decode(SavedPage("", "", sample), is_xml=True).encoding) or UTF_8


def _chunks(raw: bytes, check_deadline: Callable[[], object]) -> Iterator[bytes]:
    """Yield the decompressed bytes."""
    if not raw.startswith(GZIP_MAGIC):
        for start in range(0, len(raw), PIECE_BYTES):
            check_deadline()
            yield raw[start : start + PIECE_BYTES]
        return
    received = decoded = 0

    def received_pieces() -> Iterator[bytes]:
        nonlocal received
        for start in range(0, len(raw), GZIP_PIECE_BYTES):
            check_deadline()
            piece = raw[start : start + GZIP_PIECE_BYTES]
            received += len(piece)
            yield piece

    for chunk in decode_content(received_pieces(), "gzip"):
        check_deadline()
        decoded += len(chunk)
        check_ratio(received, decoded)
        yield chunk


def _is_valid(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True
