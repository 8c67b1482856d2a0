"""Coded bodies are decoded from chunks of any size, and a body that ends early is never accepted."""

import gzip
import zlib
from collections.abc import Callable, Iterator

import brotli
import pytest
from backports import zstd

from guarded_http.content_coding import MAX_CHUNK_BYTES, decode_content
from guarded_http.errors import FetchError, FetchErrorKind

CONTENT = b"".join(b"<p>Paragraph %d</p>" % number for number in range(2_000))


def compress_raw_deflate(data: bytes) -> bytes:
    """Return a deflate stream without zlib's header, as some servers send it."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def compress_brotli(data: bytes) -> bytes:
    """Return a brotli stream of medium quality; the best quality would take much longer."""
    return bytes(brotli.compress(data, quality=5))


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", compress_raw_deflate),
    "br": ("br", compress_brotli),
    "zstd": ("zstd", zstd.compress),
    "two": ("br, gzip", lambda data: gzip.compress(compress_brotli(data))),
    "three": ("zstd,deflate,gzip", lambda data: gzip.compress(zlib.compress(zstd.compress(data)))),
    "identity": ("identity, ", bytes),
}
ALL_CODINGS = pytest.mark.parametrize(("header", "compress"), CODINGS.values(), ids=CODINGS.keys())
COMPRESSING_CODINGS = pytest.mark.parametrize(
    ("header", "compress"),
    [coding for name, coding in CODINGS.items() if name != "identity"],
    ids=[name for name in CODINGS if name != "identity"],
)


def split(data: bytes, size: int) -> Iterator[bytes]:
    """Return `data` in chunks of `size` bytes, as a network delivers them."""
    return (data[start : start + size] for start in range(0, len(data), size))


def decode(data: bytes, header: str, size: int = 2048) -> bytes:
    """Return the decoded body."""
    return b"".join(decode_content(split(data, size), header))


def decode_error(data: bytes, header: str) -> FetchErrorKind:
    """Return the kind of the error that decoding the body causes."""
    with pytest.raises(FetchError) as failure:
        decode(data, header)
    return failure.value.kind


@ALL_CODINGS
@pytest.mark.parametrize("size", [1, 7, 2048, 10**9])
def test_content_is_decoded_from_chunks_of_any_size(
    header: str, compress: Callable[[bytes], bytes], size: int
) -> None:
    """A body is decoded correctly whether it comes as a whole or byte by byte."""
    content = CONTENT if size > 7 else CONTENT[:5000]
    assert decode(compress(content), header, size) == content


@COMPRESSING_CODINGS
def test_decoded_chunks_are_bounded(header: str, compress: Callable[[bytes], bytes]) -> None:
    """Three megabytes of zeros are yielded in chunks of at most 128 KiB, so that a reader can stop early."""
    sizes = [len(chunk) for chunk in decode_content(iter([compress(bytes(3_000_000))]), header)]
    assert sum(sizes) == 3_000_000
    assert max(sizes) <= 2 * MAX_CHUNK_BYTES


@COMPRESSING_CODINGS
@pytest.mark.parametrize("missing", [1, 5, 1000])
def test_truncated_stream_fails_with_incomplete_body(
    header: str, compress: Callable[[bytes], bytes], missing: int
) -> None:
    """A compressed stream whose last bytes are missing is an error."""
    whole = compress(CONTENT)
    truncated = whole[: max(1, len(whole) - missing)]
    assert decode_error(truncated, header) is FetchErrorKind.INCOMPLETE_BODY


@COMPRESSING_CODINGS
def test_body_that_is_not_compressed_fails_with_corrupt_body(
    header: str, compress: Callable[[bytes], bytes]
) -> None:
    """A plain body is an error if the Content-Encoding header names a coding."""
    assert compress(b"x")
    body = b"\xff\xfe<!doctype html><p>not compressed at all"
    assert decode_error(body, header) is FetchErrorKind.CORRUPT_BODY


@ALL_CODINGS
def test_empty_body_stays_empty(header: str, compress: Callable[[bytes], bytes]) -> None:
    """An empty body is decoded as empty although the header names a coding; so is compressed empty data."""
    assert decode(b"", header) == b""
    assert decode(compress(b""), header) == b""


@pytest.mark.parametrize(("header", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
@pytest.mark.parametrize("size", [1, 2048])
def test_concatenated_streams_are_one_body(
    header: str, compress: Callable[[bytes], bytes], size: int
) -> None:
    """Concatenated gzip or zstd streams are one body (RFC 1952 section 2.2, RFC 8878 section 3)."""
    data = compress(b"one ") + compress(b"two") + compress(b"")
    assert decode(data, header, size) == b"one two"


@pytest.mark.parametrize("rest", [b"\0", b"\0" * 100, b"garbage", b"\x1f"])
def test_bytes_after_the_gzip_stream_are_ignored(rest: bytes) -> None:
    """Zeros or other bytes after a gzip stream are ignored, as in browsers."""
    for size in (1, 7, 2048):
        assert decode(gzip.compress(b"one") + rest, "gzip", size) == b"one"


def test_many_codings_fail_with_decompression_bomb() -> None:
    """A body with more than three codings is refused, since each coding can multiply its size."""
    assert decode_error(b"x", "gzip, gzip, gzip, gzip") is FetchErrorKind.DECOMPRESSION_BOMB
    assert decode_error(b"x", ",".join(["br"] * 1000)) is FetchErrorKind.DECOMPRESSION_BOMB


@pytest.mark.parametrize("header", ["compress", "exi", "x-compress", "gzip, dcb", "xz"])
def test_coding_that_is_not_implemented_fails_with_unsupported_encoding(header: str) -> None:
    """A body with a content coding that the client cannot decode is an error."""
    assert decode_error(b"x", header) is FetchErrorKind.UNSUPPORTED_ENCODING


@pytest.mark.parametrize(
    "header",
    ["UTF-8", "none", "binary", "ISO-8859-1", "identity", "aws-chunked", "text/html", ",", "7bit, 8bit"],
)
def test_name_that_is_no_content_coding_is_ignored(header: str) -> None:
    """A body whose Content-Encoding names no content coding is read as it is, as in browsers."""
    assert decode(b"<p>one</p>", header) == b"<p>one</p>"
    assert decode(gzip.compress(b"one"), f"{header}, gzip;q=1") == b"one"


def test_zstd_window_larger_than_http_allows_is_refused() -> None:
    """A zstd window above the 8 MiB of RFC 9659 is refused, since it would need more memory."""
    options = {zstd.CompressionParameter.window_log: 26, zstd.CompressionParameter.content_size_flag: 0}
    compressor = zstd.ZstdCompressor(options={int(name): value for name, value in options.items()})
    data = compressor.compress(b"x" * 100_000) + compressor.flush()
    assert decode_error(data, "zstd") is FetchErrorKind.CORRUPT_BODY
