"""A body that comes in chunks is decoded to the same text as a whole body."""

import codecs

import pytest
import webencodings
from hypothesis import given
from hypothesis import strategies as st
from webencodings.labels import LABELS

from contract.encodings import decode_bytes, decode_chunks, is_refused

NAMES = sorted(
    name for name in set(LABELS.values()) if not is_refused(webencodings.lookup(name)) and name != "utf-7"
)
TEXTS = st.sampled_from(["<loc>", "é", "日本", "①", "—", "한국", "€", "\N{GRINNING FACE}"])


@pytest.mark.parametrize("name", NAMES)
@given(st.lists(TEXTS | st.binary(max_size=3), max_size=8), st.integers(1, 3))
def test_chunks_of_any_size_give_the_same_text(name: str, parts: list[str | bytes], size: int) -> None:
    """In every encoding, characters that are divided between chunks are decoded, as are invalid bytes."""
    encoding = webencodings.lookup(name)
    encoded = (
        part if isinstance(part, bytes) else encoding.codec_info.encode(part, "replace")[0] for part in parts
    )
    body = b"<urlset>" + b"".join(encoded) + b"</urlset>"
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    assert "".join(decode_chunks(chunks, encoding)) == decode_bytes(body, encoding)


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
def test_byte_order_mark_is_removed(mark: bytes) -> None:
    """The byte order mark at the beginning is removed, even if its bytes are in different chunks."""
    encoding = webencodings.lookup("utf-8" if mark == codecs.BOM_UTF8 else "utf-16le")
    body = mark + encoding.codec_info.encode("<a>")[0]
    assert "".join(decode_chunks([bytes([byte]) for byte in body], encoding)) == "<a>"


@pytest.mark.parametrize(
    ("name", "body", "text"),
    [
        ("big5", b"\xa1\xe3\xa1\x45\xa2\x44", "\uff5e‧￥"),
        ("gb18030", b"\xa3\xa0\xfe\x59\xa8\xbc", "\u3000龴ḿ"),
        ("iso-2022-jp", b"\x1b$B\x2d\x21\x21\x41\x1b(Bx", "①\uff5ex"),
        ("koi8-u", b"\xae\xbe", "ўЎ"),
        ("shift_jis", b"\xa0", "\ufffd"),
        ("windows-1255", b"\xca\x80", "\u05ba€"),
        ("euc-jp", b"\xa1\xff.", "\ufffd."),
    ],
)
def test_characters_are_those_of_the_standard(name: str, body: bytes, text: str) -> None:
    """Where the standard's index differs from Python's codec, the standard's character is decoded."""
    assert decode_bytes(body, webencodings.lookup(name)).replace("\ufffd\ufffd", "\ufffd") == text
