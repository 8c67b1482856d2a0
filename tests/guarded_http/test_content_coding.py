"""Content codings: streams are unpacked whatever their pieces, and half of one is never taken for one."""

import gzip
import zlib
from collections.abc import Callable, Iterator

import brotli
import pytest
from backports import zstd

from guarded_http.content_coding import MAX_CHUNK_BYTES, decode_content
from guarded_http.errors import FetchError, FetchErrorKind

CONTENT = b"".join(b"<p>Paragraph %d</p>" % number for number in range(2_000))


def bare(data: bytes) -> bytes:
    """Return a deflate stream without zlib's frame, as some servers send it."""
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(data) + packing.flush()


def brotli_quickly(data: bytes) -> bytes:
    """Return a brotli stream; the best compression would take the tests' time."""
    return bytes(brotli.compress(data, quality=5))


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", bare),
    "br": ("br", brotli_quickly),
    "zstd": ("zstd", zstd.compress),
    "two": ("br, gzip", lambda data: gzip.compress(brotli_quickly(data))),
    "three": ("zstd,deflate,gzip", lambda data: gzip.compress(zlib.compress(zstd.compress(data)))),
    "none": ("identity, ", bytes),
}
EVERY = pytest.mark.parametrize(("name", "pack"), CODINGS.values(), ids=CODINGS.keys())
PACKED = pytest.mark.parametrize(
    ("name", "pack"), list(CODINGS.values())[:-1], ids=[each for each in CODINGS if each != "none"]
)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """Yield `data` as a network would."""
    return (data[start : start + size] for start in range(0, len(data), size))


def unpacked(data: bytes, name: str, size: int = 2048) -> bytes:
    """Return what `data` is, unpacked."""
    return b"".join(decode_content(pieces(data, size), name))


def refusal(data: bytes, name: str) -> FetchErrorKind:
    """Return why `data` cannot be unpacked."""
    with pytest.raises(FetchError) as wrong:
        unpacked(data, name)
    return wrong.value.kind


@EVERY
@pytest.mark.parametrize("size", [1, 7, 2048, 10**9])
def test_content_is_what_was_packed(name: str, pack: Callable[[bytes], bytes], size: int) -> None:
    """In pieces of any size, down to single bytes."""
    content = CONTENT if size > 7 else CONTENT[:5000]
    assert unpacked(pack(content), name, size) == content


@PACKED
def test_pieces_are_bounded(name: str, pack: Callable[[bytes], bytes]) -> None:
    """Megabytes of nothing come out in pieces, so that whoever counts can stop."""
    sizes = [len(piece) for piece in decode_content(iter([pack(bytes(3_000_000))]), name)]
    assert sum(sizes) == 3_000_000
    assert max(sizes) <= 2 * MAX_CHUNK_BYTES


@PACKED
@pytest.mark.parametrize("missing", [1, 5, 1000])
def test_a_stream_that_ends_early_is_cut_short(
    name: str, pack: Callable[[bytes], bytes], missing: int
) -> None:
    """Whatever Content-Length said of it."""
    whole = pack(CONTENT)
    assert refusal(whole[: max(1, len(whole) - missing)], name) is FetchErrorKind.INCOMPLETE_BODY


@PACKED
def test_garbage_is_cut_short(name: str, pack: Callable[[bytes], bytes]) -> None:
    """What is not of its coding was garbled on its way."""
    assert pack(b"x")
    assert refusal(b"\xff\xfe<!doctype html><p>not packed at all", name) is FetchErrorKind.INCOMPLETE_BODY


@EVERY
def test_nothing_is_nothing(name: str, pack: Callable[[bytes], bytes]) -> None:
    """An empty body may say that it is packed, and is empty all the same; so is a packed empty one."""
    assert unpacked(b"", name) == b""
    assert unpacked(pack(b""), name) == b""


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
@pytest.mark.parametrize("size", [1, 2048])
def test_several_streams_are_one_content(name: str, pack: Callable[[bytes], bytes], size: int) -> None:
    """As `cat a.gz b.gz` makes them (RFC 1952 section 2.2, RFC 8878 section 3)."""
    assert unpacked(pack(b"one ") + pack(b"two") + pack(b""), name, size) == b"one two"


@pytest.mark.parametrize("rest", [b"\0", b"\0" * 100, b"garbage", b"\x1f"])
def test_what_follows_a_gzip_stream_is_ignored(rest: bytes) -> None:
    """Padding of tapes and block devices, as browsers ignore it."""
    for size in (1, 7, 2048):
        assert unpacked(gzip.compress(b"one") + rest, "gzip", size) == b"one"


def test_codings_on_codings_on_codings_are_a_bomb() -> None:
    """Each layer multiplies; three are more than any site needs."""
    assert refusal(b"x", "gzip, gzip, gzip, gzip") is FetchErrorKind.DECOMPRESSION_BOMB
    assert refusal(b"x", ",".join(["br"] * 1000)) is FetchErrorKind.DECOMPRESSION_BOMB


@pytest.mark.parametrize("name", ["compress", "exi", "gzip;q=1", "utf-8", "aws-chunked"])
def test_a_coding_that_was_not_offered_is_told(name: str) -> None:
    """Not passed on as if it were the page."""
    assert refusal(b"x", name) is FetchErrorKind.UNSUPPORTED_ENCODING


def test_a_zstd_window_larger_than_http_allows_is_refused() -> None:
    """RFC 9659: 8 MiB; a larger one would be memory that a site chooses."""
    options = {zstd.CompressionParameter.window_log: 26, zstd.CompressionParameter.content_size_flag: 0}
    packing = zstd.ZstdCompressor(options={int(name): value for name, value in options.items()})
    packed = packing.compress(b"x" * 100_000) + packing.flush()
    assert refusal(packed, "zstd") is FetchErrorKind.INCOMPLETE_BODY
