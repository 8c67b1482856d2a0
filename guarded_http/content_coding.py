"""Content codings (RFC 9110 section 8.4.1): gzip, deflate, br, zstd. Chunks in, chunks out. Pure.

Every step gives out a bounded piece, so that a bomb is met by whoever counts, not by the memory. A stream
that ends before its own end is told, which urllib3 lets pass where a Content-Length is consistently wrong.
"""

import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from contract.outcome import Reason
from guarded_http.errors import FetchError

ACCEPTED = "gzip, deflate, br, zstd"
STEP_BYTES = 64 * 1024
MAX_CODINGS = 3  #: on top of each other; one is usual
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_WINDOW_LOG = 23  #: 8 MiB, the most that HTTP allows (RFC 9659)

Chunks = Iterator[bytes]


def decoded(chunks: Chunks, content_encoding: str) -> Chunks:
    """Yield the content, in pieces of at most 64 KiB where it was coded.

    Raises:
        FetchError: `incomplete_body` for a stream that is broken or ends early, `decompression_bomb` for
            too many codings,
            `content_type` for one that we did not offer.
    """
    names = [name for each in content_encoding.lower().split(",") if (name := each.strip())]
    names = [name for name in names if name != "identity"]
    if len(names) > MAX_CODINGS:
        raise FetchError(Reason.DECOMPRESSION_BOMB, f"{len(names)} content codings on top of each other")
    for name in reversed(names):
        if name not in _CODINGS:
            raise FetchError(Reason.CONTENT_TYPE, f"a content coding that was not asked for: {name[:80]!r}")
        chunks = _decoding(name, chunks)
    return chunks


def _decoding(name: str, chunks: Chunks) -> Chunks:
    """Decode; tell whatever a decoder raises as a body that did not come whole. Nothing stays nothing."""
    first = next(chunks, b"")
    if not first:
        return
    try:
        yield from _CODINGS[name](chain([first], chunks))
    except (zlib.error, EOFError) as wrong:
        raise FetchError(Reason.INCOMPLETE_BODY, f"broken {name}: {wrong}") from None


def _gzip(chunks: Chunks) -> Chunks:
    """Unpack gzip members; what follows the last one and is none is ignored, as browsers do (RFC 1952)."""
    unpacking, rest = _gzip_member(), b""
    for chunk in chunks:
        rest += chunk
        while rest:
            if unpacking.eof:
                if not rest.startswith(GZIP_MAGIC[: len(rest)]):
                    yield from (b"" for _ in chunks)  # which reads it, and makes nothing of it
                    return
                if len(rest) < len(GZIP_MAGIC):
                    break
                unpacking = _gzip_member()
            yield from _pieces(unpacking, rest)
            rest = unpacking.unused_data
    if not unpacking.eof:
        raise EOFError("it ends within its stream")


def _gzip_member() -> Any:  # noqa: ANN401 - zlib's decompressor has no public type
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def _deflate(chunks: Chunks) -> Chunks:
    """Unpack zlib's format, or the bare stream that some servers send in its place (RFC 9110 8.4.1.2)."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) > 1:
            break
    is_zlib = len(head) > 1 and head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    unpacking = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
    yield from _pieces(unpacking, head)
    for chunk in chunks:
        if not unpacking.eof:
            yield from _pieces(unpacking, chunk)
    if not unpacking.eof:
        raise EOFError("it ends within its stream")


def _pieces(unpacking: Any, data: bytes) -> Chunks:  # noqa: ANN401 - zlib's decompressor has no public type
    """Unpack `data` piece by piece; what follows the stream's end stays in `unused_data`."""
    while True:
        piece = unpacking.decompress(data, STEP_BYTES)
        if piece:
            yield piece
        data = unpacking.unconsumed_tail
        if unpacking.eof or (not data and len(piece) < STEP_BYTES):
            return


def _brotli(chunks: Chunks) -> Chunks:
    import brotli  # noqa: PLC0415 - a library of which many sites need nothing

    unpacking = brotli.Decompressor()
    try:
        for chunk in chunks:
            piece = unpacking.process(chunk, output_buffer_limit=STEP_BYTES)
            while piece:
                yield piece
                over = unpacking.is_finished()
                piece = b"" if over else unpacking.process(b"", output_buffer_limit=STEP_BYTES)
    except brotli.error as wrong:
        raise EOFError(str(wrong)) from None
    if not unpacking.is_finished():
        raise EOFError("it ends within its stream")


def _zstd(chunks: Chunks) -> Chunks:
    from backports import zstd  # noqa: PLC0415 - a library of which many sites need nothing

    def frame() -> zstd.ZstdDecompressor:
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG})

    unpacking = frame()
    try:
        for chunk in chunks:
            data = chunk
            while data or not (unpacking.eof or unpacking.needs_input):
                if unpacking.eof:
                    unpacking = frame()
                if piece := unpacking.decompress(data, STEP_BYTES):
                    yield piece
                data = unpacking.unused_data if unpacking.eof else b""
    except zstd.ZstdError as wrong:
        raise EOFError(str(wrong)) from None
    if not unpacking.eof:
        raise EOFError("it ends within its stream")


_CODINGS: dict[str, Callable[[Chunks], Chunks]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
