"""Decodes the content codings gzip, deflate, br and zstd (RFC 9110 section 8.4.1), chunk by chunk. Pure.

Every step yields a bounded chunk, so that the reader can stop a decompression bomb before it fills memory.
A coded body that ends early causes an error here, even if its length is that of the Content-Length header.
"""

import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from contract.quoting import quote
from guarded_http.errors import FetchError, FetchErrorKind

ACCEPT_ENCODING = "gzip, deflate, br, zstd"  #: the Accept-Encoding header of every request
MAX_CHUNK_BYTES = 64 * 1024  #: maximum size of a decoded chunk; brotli may yield up to twice this size
MAX_CODINGS = 3  #: maximum number of codings of one body; usually there is one
#: Maximum number of gzip members, or zstd frames, of one body. Without content a member has 20 bytes and a
#: frame 9, so 5 MB of them take seconds to decode. Programs that write several put 32 KB or more into each.
MAX_STREAMS = 10_000
#: Maximum number of decoded bytes per received byte. Compressed HTML is 4 to 20 times smaller; deflate can
#: make data 1,032 times smaller (https://zlib.net/zlib_tech.html).
MAX_RATIO = 200
MIN_CHECKED_BYTES = 1024 * 1024  #: Below this decoded size (bytes) the compression ratio is not checked.
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_WINDOW_LOG = 23  #: base-2 logarithm of the largest window: 8 MiB, the most that HTTP allows (RFC 9659)

#: Registered content codings that are not implemented
#: (https://www.iana.org/assignments/http-parameters/#content-coding).
OTHER_CODINGS = frozenset(
    {
        "aes128gcm",
        "compress",
        "dcb",
        "dcz",
        "exi",
        "pack200-gzip",
        "x-compress",
        "bzip2",
        "x-bzip2",
        "xz",
        "lzma",
    }
)

Chunks = Iterator[bytes]


class _Corrupt(Exception):
    """A compressed stream is invalid."""


def decode_content(chunks: Chunks, content_encoding: str) -> Chunks:
    """Yield the decoded body, in chunks of at most 128 KiB if the body has a coding.

    Args:
        chunks: the body as received, in chunks of any size.
        content_encoding: the Content-Encoding header; `""` if missing.

    Raises:
        FetchError: `incomplete_body` if the compressed stream ends early, `corrupt_body` if it is invalid,
            `decompression_bomb` if there are too many codings, or too many members or frames in one of them,
            `unsupported_encoding` if a coding is not one of those that are implemented.
    """
    names = [part.partition(";")[0].strip() for part in content_encoding.lower().split(",")]
    # A name that is no content coding, such as `utf-8` or `none`, codes nothing. Browsers show such bodies
    # (https://fetch.spec.whatwg.org/#handle-content-codings).
    names = [name for name in names if name in _DECODERS or name in OTHER_CODINGS]
    if len(names) > MAX_CODINGS:
        detail = f"{len(names)} content codings; the maximum is {MAX_CODINGS}"
        raise FetchError(FetchErrorKind.DECOMPRESSION_BOMB, detail)
    for name in reversed(names):
        if name not in _DECODERS:
            raise FetchError(
                FetchErrorKind.UNSUPPORTED_ENCODING, f"unsupported content coding: {quote(name, 80)}"
            )
        chunks = _decode(name, chunks)
    return chunks


def check_ratio(received: int, decoded: int, *, min_bytes: int = MIN_CHECKED_BYTES) -> None:
    """Check that a body does not grow too much by decoding.

    Args:
        received: number of bytes so far, before decoding.
        decoded: number of bytes so far, after decoding.
        min_bytes: the decoded size up to which any ratio is accepted.

    Raises:
        FetchError: `decompression_bomb`.
    """
    if decoded > min_bytes and decoded > MAX_RATIO * received:
        detail = f"{received} bytes decode to {decoded} or more; the maximum ratio is {MAX_RATIO}"
        raise FetchError(FetchErrorKind.DECOMPRESSION_BOMB, detail)


def _decode(name: str, chunks: Chunks) -> Chunks:
    """Decode one coding, and translate the decoder's exceptions; an empty body stays empty."""
    first = next(chunks, b"")
    if not first:
        return
    try:
        yield from _DECODERS[name](chain([first], chunks))
    except EOFError:
        raise FetchError(FetchErrorKind.INCOMPLETE_BODY, f"the {name} stream ends early") from None
    except (zlib.error, _Corrupt) as error:
        raise FetchError(FetchErrorKind.CORRUPT_BODY, f"invalid {name} data: {error}") from None


def _gzip(chunks: Chunks) -> Chunks:
    """Decode gzip members (RFC 1952), and ignore other bytes after the last member, as browsers do."""
    decompressor, rest, members = _gzip_member(), b"", 1
    for chunk in chunks:
        rest += chunk
        while rest:
            if decompressor.eof:
                if not rest.startswith(GZIP_MAGIC[: len(rest)]):
                    yield from (b"" for _ in chunks)  # read to the end, so that the connection can be reused
                    return
                if len(rest) < len(GZIP_MAGIC):
                    break
                decompressor, members = _gzip_member(), _next_stream(members)
            yield from _decompress(decompressor, rest)
            rest = decompressor.unused_data
    _check_end(is_complete=decompressor.eof)


def _gzip_member() -> Any:  # noqa: ANN401 - zlib's decompressor has no public type
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def _deflate(chunks: Chunks) -> Chunks:
    """Decode zlib's format, or the raw deflate stream that some servers send (RFC 9110 section 8.4.1.2)."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) > 1:
            break
    is_zlib = len(head) > 1 and head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    decompressor = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
    yield from _decompress(decompressor, head)
    for chunk in chunks:
        if not decompressor.eof:
            yield from _decompress(decompressor, chunk)
    _check_end(is_complete=decompressor.eof)


def _decompress(decompressor: Any, data: bytes) -> Chunks:  # noqa: ANN401 - zlib's decompressor has no public type
    """Yield `data` decoded, in bounded chunks; bytes after the stream's end stay in `unused_data`."""
    while True:
        chunk = decompressor.decompress(data, MAX_CHUNK_BYTES)
        if chunk:
            yield chunk
        data = decompressor.unconsumed_tail
        if decompressor.eof or (not data and len(chunk) < MAX_CHUNK_BYTES):
            return


def _brotli(chunks: Chunks) -> Chunks:
    import brotli  # noqa: PLC0415 - only bodies with this coding need the import

    decompressor = brotli.Decompressor()
    try:
        for data in chunks:
            chunk = decompressor.process(data, output_buffer_limit=MAX_CHUNK_BYTES)
            while chunk:
                yield chunk
                is_finished = decompressor.is_finished()
                chunk = b"" if is_finished else decompressor.process(b"", output_buffer_limit=MAX_CHUNK_BYTES)
    except brotli.error as error:
        raise _Corrupt(str(error)) from None
    _check_end(is_complete=decompressor.is_finished())


def _zstd(chunks: Chunks) -> Chunks:
    from backports import zstd  # noqa: PLC0415 - only bodies with this coding need the import

    def new_frame() -> zstd.ZstdDecompressor:
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG})

    decompressor, frames = new_frame(), 1
    try:
        for chunk in chunks:
            data = chunk
            while data or not (decompressor.eof or decompressor.needs_input):
                if decompressor.eof:
                    decompressor, frames = new_frame(), _next_stream(frames)
                if decoded := decompressor.decompress(data, MAX_CHUNK_BYTES):
                    yield decoded
                data = decompressor.unused_data if decompressor.eof else b""
    except zstd.ZstdError as error:
        raise _Corrupt(str(error)) from None
    _check_end(is_complete=decompressor.eof)


def _next_stream(count: int) -> int:
    """Return the number of streams with one more; raise `FetchError` if that is too many."""
    if count == MAX_STREAMS:
        detail = f"more than {MAX_STREAMS} compressed streams in one body"
        raise FetchError(FetchErrorKind.DECOMPRESSION_BOMB, detail)
    return count + 1


def _check_end(*, is_complete: bool) -> None:
    if not is_complete:
        raise EOFError


_DECODERS: dict[str, Callable[[Chunks], Chunks]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
