"""Finds encodings by their labels, and decodes and encodes text, as browsers do.

The labels are those of the Encoding Standard (https://encoding.spec.whatwg.org/#names-and-labels), from the
package webencodings. Python's own codec names are not labels: Python knows `punycode` and `zlib`, and does
not know `x-sjis` or `iso-8859-8-i`.
"""

import codecs
from collections.abc import Iterable, Iterator
from itertools import chain

import webencodings
from webencodings import Encoding

UTF_8 = webencodings.UTF8
WINDOWS_1252 = webencodings.lookup("windows-1252")
#: Encodings that a byte order mark names (https://encoding.spec.whatwg.org/#bom-sniff).
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: UTF_8,
    codecs.BOM_UTF16_LE: webencodings.lookup("utf-16le"),
    codecs.BOM_UTF16_BE: webencodings.lookup("utf-16be"),
}
#: Names of the encodings whose decoder in the standard has more characters than Python's codec of this name.
_DECODERS = {"gbk": "gb18030"}
#: Characters that Python's codec euc_jp decodes to another character than the standard's index of JIS X 0208.
_EUC_JP = {0x301C: 0xFF5E, 0x2016: 0x2225, 0x2212: 0xFF0D, 0xA2: 0xFFE0, 0xA3: 0xFFE1, 0xAC: 0xFFE2}
#: Characters of GB18030-2022 for which Python's codec has a private code point, or another character.
_GB18030 = {0xE5E5: 0x3000, 0x1E3F: 0xE7C7, 0xE7C7: 0x1E3F} | dict(
    zip(
        [*range(0xE78D, 0xE797), 0xE81E, 0xE826, 0xE82B, 0xE82C, 0xE832, 0xE843, 0xE854, 0xE864],
        map(ord, "\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18\ufe19龴龵龶龷龸龹龺龻"),
        strict=True,
    )
)
_BIG5 = {
    0xA2: 0xFFE0, 0xA3: 0xFFE1, 0xA5: 0xFFE5, 0x2022: 0x2027, 0x203E: 0xAF, 0x223C: 0xFF5E, 0x2609: 0x2299,
    0x2641: 0x2295, 0xFF64: 0xFE51,
}  # fmt: skip
_KOI8_U = {0x255D: 0x45E, 0x256C: 0x40E}  # ў and Ў, which the standard's KOI8-U has for Belarusian
#: By encoding, the characters that Python's codec decodes to another character than the standard's index.
_DECODED = {
    "big5": _BIG5,
    "euc-jp": _EUC_JP,
    "gb18030": _GB18030,
    "gbk": _GB18030,
    "iso-2022-jp": _EUC_JP,
    "koi8-u": _KOI8_U,
    "shift_jis": dict.fromkeys(range(0xF8F0, 0xF8F4), 0xFFFD),
}
_ENCODED = {
    name: {other: ours for ours, other in _DECODED[name].items()} for name in ("big5", "euc-jp", "koi8-u")
} | {"shift_jis": {0x2212: 0xFF0D}}
_C1_CONTROLS = range(0x80, 0xA0)


def find_encoding(label: str) -> Encoding | None:
    """Return the encoding with this label, without regard to case and surrounding white space; else None."""
    return webencodings.lookup(label) if label.isascii() else None


def byte_order_mark(body: bytes) -> tuple[bytes, Encoding] | None:
    """Return the byte order mark with which `body` begins, and its encoding; None if there is none."""
    return next(((mark, name) for mark, name in _BYTE_ORDER_MARKS.items() if body.startswith(mark)), None)


def is_refused(encoding: Encoding) -> bool:
    """Return whether browsers do not decode the encoding: `iso-2022-kr`, `hz-gb-2312` and similar ones."""
    return str(encoding.name) == "replacement"


def decode_bytes(body: bytes, encoding: Encoding) -> str:
    """Return the text of `body`; bytes that are not valid in the encoding become U+FFFD, as in browsers."""
    text: str = _codec(encoding).decode(body, _error_handler(encoding))[0]
    return text.translate(_DECODED[encoding.name]) if encoding.name in _DECODED else text


def decode_chunks(chunks: Iterable[bytes], encoding: Encoding) -> Iterator[str]:
    """Yield the text of a body that comes in chunks, as `decode_bytes` does; a byte order mark is removed.

    A character whose bytes are in two chunks is decoded when the second one has come. If the body ends within
    a character, the text that replaces its bytes may be another one than with `decode_bytes`.
    """
    decoder = _codec(encoding).incrementaldecoder(_error_handler(encoding))
    table = _DECODED.get(encoding.name, {})
    is_first = True
    for chunk, is_last in chain(((chunk, False) for chunk in chunks), [(b"", True)]):
        text: str = decoder.decode(chunk, is_last)
        if is_first and text:
            text, is_first = text.removeprefix("\ufeff"), False
        if text:
            yield text.translate(table) if table else text


def _codec(encoding: Encoding) -> codecs.CodecInfo:
    name = _DECODERS.get(encoding.name)
    info: codecs.CodecInfo = codecs.lookup(name) if name else encoding.codec_info
    return info


def _error_handler(encoding: Encoding) -> str:
    name = encoding.name
    return _ERROR_HANDLERS.get(name) or _ERROR_HANDLERS.get(name.partition("-125")[0], "replace")


def encode_for_query(text: str, encoding: Encoding) -> bytes:
    """Return `text` as the bytes of a query.

    A character that is missing in the encoding becomes `&#N;`, percent-encoded
    (https://url.spec.whatwg.org/#string-percent-encode-after-encoding).
    Browsers use UTF-8 instead of UTF-16 (https://encoding.spec.whatwg.org/#get-an-output-encoding).
    """
    if encoding.name.startswith("utf-16") or is_refused(encoding):
        encoding = UTF_8
    text = text.translate(_ENCODED.get(encoding.name, {}))
    encoded: bytes = encoding.codec_info.encode(text, "percent_encode_reference")[0]
    return encoded


def _keep_c1_controls(error: UnicodeError) -> tuple[str, int]:
    """Decode a byte that Python's windows codecs do not define; 0x80 to 0x9F are controls."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    byte = error.object[error.start]
    return (chr(byte) if byte in _C1_CONTROLS else "\ufffd"), error.start + 1


def _decode_nec_characters(error: UnicodeError) -> tuple[str, int]:
    """Decode a character such as `①`, which is in the standard's EUC-JP, but not in Python's codec.

    Shift_JIS has the same characters, and other bytes for them.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    pair = error.object[error.start : error.start + 2]
    if len(pair) < 2 or min(pair) < 0xA1 or max(pair) > 0xFE:
        return "\ufffd", error.start + 1
    row, cell = pair[0] - 0xA1, pair[1] - 0xA1
    lead = row // 2 + (0x81 if row < 62 else 0xC1)
    trail = cell + (0x9F if row % 2 else 0x40 if cell < 63 else 0x41)
    return bytes([lead, trail]).decode("cp932", "replace"), error.start + 2


def _decode_nec_characters_in_7_bits(error: UnicodeError) -> tuple[str, int]:
    """Decode a character such as `①`, which is in the standard's ISO-2022-JP, but not in Python's codec."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    pair = error.object[error.start : error.start + 2]
    if error.end - error.start < 2 or max(pair) >= 0x80:
        return "\ufffd", error.end
    return bytes(byte | 0x80 for byte in pair).decode("euc_jp", "decode_nec_characters"), error.end


def _decode_hebrew_point(error: UnicodeError) -> tuple[str, int]:
    """Decode the byte 0xCA, which is a point in the standard's windows-1255, but not in Python's codec."""
    if isinstance(error, UnicodeDecodeError) and error.object[error.start] == 0xCA:
        return "\u05ba", error.start + 1
    return _keep_c1_controls(error)


def _percent_encode_reference(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(f"%26%23{ord(character)}%3B" for character in missing), error.end


def _decode_euro_sign(error: UnicodeError) -> tuple[str, int]:
    """Decode the byte 0x80, which is the euro sign in the standard's GBK, but not in Python's codec."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return ("€" if error.object[error.start] == 0x80 else "\ufffd"), error.start + 1


#: Error handlers of decoders, by the names of encodings; `windows` stands for windows-1250 to windows-1258.
_ERROR_HANDLERS = {
    "euc-jp": "decode_nec_characters",
    "gb18030": "decode_euro_sign",
    "gbk": "decode_euro_sign",
    "iso-2022-jp": "decode_nec_characters_in_7_bits",
    "windows": "keep_c1_controls",
    "windows-1255": "decode_hebrew_point",
    "windows-874": "keep_c1_controls",
}
codecs.register_error("decode_euro_sign", _decode_euro_sign)
codecs.register_error("decode_hebrew_point", _decode_hebrew_point)
codecs.register_error("decode_nec_characters", _decode_nec_characters)
codecs.register_error("decode_nec_characters_in_7_bits", _decode_nec_characters_in_7_bits)
codecs.register_error("keep_c1_controls", _keep_c1_controls)
codecs.register_error("percent_encode_reference", _percent_encode_reference)
