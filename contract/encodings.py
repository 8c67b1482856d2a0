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
_DECODED = {"euc-jp": _EUC_JP}
_ENCODED = {"euc-jp": {other: ours for ours, other in _EUC_JP.items()}, "shift_jis": {0x2212: 0xFF0D}}
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
    return _ERROR_HANDLERS.get(encoding.name.partition("-125")[0], "replace")


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
    if len(pair) < 2 or min(pair) < 0xA1:
        return "\ufffd", error.start + 1
    row, cell = pair[0] - 0xA1, pair[1] - 0xA1
    lead = row // 2 + (0x81 if row < 62 else 0xC1)
    trail = cell + (0x9F if row % 2 else 0x40 if cell < 63 else 0x41)
    return bytes([lead, trail]).decode("cp932", "replace"), error.start + 2


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
    "windows": "keep_c1_controls",
    "windows-874": "keep_c1_controls",
}
codecs.register_error("decode_euro_sign", _decode_euro_sign)
codecs.register_error("decode_nec_characters", _decode_nec_characters)
codecs.register_error("keep_c1_controls", _keep_c1_controls)
codecs.register_error("percent_encode_reference", _percent_encode_reference)
