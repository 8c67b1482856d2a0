"""A page is decoded with the encoding that browsers choose, or is refused; it is never decoded by a guess."""

import codecs

import pytest
import webencodings
from hypothesis import example, given
from hypothesis import strategies as st
from webencodings.labels import LABELS

from contract.encodings import _DECODED, decode_bytes, find_encoding, is_refused
from contract.outcome import Reason
from contract.recipe import Recipe
from extraction.decoding import DecodedPage, decode
from extraction.errors import ExtractionError
from extraction.extract import extract
from extraction.page import SavedPage
from extraction.prescan import MAX_PRESCAN_BYTES
from tests.extraction.many_examples import many_examples

HTML = "text/html"


def decoded(body: bytes, content_type: str = HTML, *, is_xml: bool = False) -> DecodedPage:
    """Return the text and the encoding of a page."""
    return decode(SavedPage("https://example.com/", content_type, body), is_xml=is_xml)


@pytest.mark.parametrize(
    ("body", "content_type", "encoding"),
    [
        ("Größe – 日本".encode(), "text/html; charset=utf-8", "utf-8"),
        ("Größe – 日本".encode(), HTML, "utf-8"),
        ("Größe – 日本".encode(), "", "utf-8"),
        ("Größe – 日本".encode("utf-8-sig"), HTML, "utf-8"),
        ("Größe – 日本".encode("utf-16"), HTML, "utf-16le"),
        (codecs.BOM_UTF16_BE + "Größe – 日本".encode("utf-16be"), HTML, "utf-16be"),
        ("Größe – 日本".encode("utf-8-sig"), "text/html; charset=iso-8859-1", "utf-8"),
        ("Größe – 日本".encode("utf-16le"), "text/html; charset=utf-16", "utf-16le"),
        ("日本".encode("shift_jis"), "text/html; charset=Shift_JIS", "shift_jis"),
        ("日本".encode("shift_jis"), 'text/html;charset="x-sjis"', "shift_jis"),
        ("日本".encode("shift_jis"), "text/html; Charset = 'sjis'; x=y", "shift_jis"),
        ("日本".encode("shift_jis"), "text/html; charset=utf-8, text/html; charset=shift_jis", "shift_jis"),
        ("Größe – €".encode("cp1252"), "text/html; charset=windows-1252", "windows-1252"),
        ("Größe – €".encode("cp1252"), "text/html; charset=iso-8859-1", "windows-1252"),
        ("Größe – €".encode("cp1252"), HTML, "windows-1252"),
        ("Größe".encode(), "text/html; charset=no-such-thing", "utf-8"),
        ("Größe".encode(), "text/html; charset=", "utf-8"),
    ],
)
def test_encoding_is_that_of_the_mark_or_the_header_or_the_fallback(
    body: bytes, content_type: str, encoding: str
) -> None:
    """A page is decoded by its byte order mark or header, and otherwise as UTF-8 or Windows-1252.

    As in browsers, ISO-8859-1 is decoded as Windows-1252. An unknown charset of a UTF-8 page is ignored.
    """
    found = decoded(body, content_type)
    assert found.encoding == encoding
    assert found.text in {"Größe – 日本", "日本", "Größe – €", "Größe"}


@pytest.mark.parametrize("label", sorted(LABELS))
def test_every_label_of_the_encoding_standard_is_known(label: str) -> None:
    """A page that declares any of the 228 labels is decoded in that encoding, or refused as in browsers."""
    body = f"<meta charset='{label.upper()}'><h1>".encode() + b"\xe9"
    encoding = find_encoding(label)
    assert encoding is not None
    if is_refused(encoding):
        with pytest.raises(ExtractionError, match="do not decode"):
            decoded(body)
        return
    replaced = {"utf-16le": "utf-8", "utf-16be": "utf-8", "x-user-defined": "windows-1252"}
    found = decoded(body)
    assert found.encoding == replaced.get(encoding.name, encoding.name)
    assert found.text == decode_bytes(body, webencodings.lookup(found.encoding))


@pytest.mark.parametrize(
    ("label", "text", "codec"),
    [
        ("iso-8859-8-i", "שלום", "iso8859_8"),
        ("windows-949", "똠방", "cp949"),
        ("x-gbk", "中文", "gbk"),
        ("gb2312", "€㐀", "gb18030"),
        ("x-cp1251", "Привет", "cp1251"),
        ("x-euc-jp", "日本", "euc_jp"),
        ("cn-big5", "中文", "big5"),
        ("koi8-ru", "Привіт", "koi8_u"),
        ("x-mac-cyrillic", "Привет", "mac_cyrillic"),
        ("dos-874", "สวัสดี", "cp874"),
        ("unicode-1-1-utf-8", "Grüße", "utf-8"),
        ("ms_kanji", "①㈱ｱ", "cp932"),
    ],
)
def test_text_in_an_encoding_whose_label_python_does_not_know_is_read(
    label: str, text: str, codec: str
) -> None:
    """A page whose label only browsers know is decoded correctly, from the header as well as from a meta."""
    body = text.encode(codec)
    assert decoded(body, f"text/html; charset={label}").text == text
    assert decoded(f'<meta charset="{label}">'.encode() + body).text.endswith(text)


@pytest.mark.parametrize(
    ("label", "body", "text"),
    [
        ("euc-jp", b"\xad\xa1\xad\xea\xa1\xc1\xa1\xdd", "①㈱\uff5e\uff0d"),
        ("windows-1252", b"a\x81b", "a\x81b"),
        ("windows-1253", b"a\x81\xaa", "a\x81\ufffd"),
        ("gbk", b"\x80", "€"),
        ("utf-8", b"a\xffb", "a\ufffdb"),
    ],
)
def test_bytes_that_python_decodes_otherwise_are_decoded_as_in_browsers(
    label: str, body: bytes, text: str
) -> None:
    """Where Python's codec differs from the Encoding Standard, the text is the standard's."""
    assert decoded(body, f"text/html; charset={label}").text == text


@pytest.mark.parametrize(
    "declaration",
    [
        b'<meta http-equiv="Content-Type" content="text/html; charset=utf-16">',
        b"<meta charset=UTF-16LE>",
        b"<meta charset=unicode>",
        b'<?xml version="1.0" encoding="utf-16"?>',
        b"<?xml version='1.0' encoding='UTF-16BE' ?>",
    ],
)
@pytest.mark.parametrize("is_xml", [False, True])
def test_page_that_declares_utf_16_in_its_own_bytes_is_utf_8(declaration: bytes, is_xml: bool) -> None:
    """A declaration of UTF-16 that can be read as ASCII means UTF-8 (HTML's prescan)."""
    found = decoded(declaration + "<h1>Grüße</h1>".encode(), is_xml=is_xml)
    assert found == (f"{declaration.decode()}<h1>Grüße</h1>", "utf-8")


@pytest.mark.parametrize("codec", ["utf-16le", "utf-16be"])
def test_xml_in_utf_16_without_a_byte_order_mark_is_read(codec: str) -> None:
    """An XML declaration in UTF-16 shows the byte order."""
    text = '<?xml version="1.0" encoding="utf-16"?><a>Grüße</a>'
    assert decoded(text.encode(codec)) == (text, codec)


@pytest.mark.parametrize(
    "head",
    [
        b"<meta charset=shift_jis>",
        b"<META CHARSET='Shift_JIS' />",
        b'<meta/charset="shift_jis">',
        b'<meta name=x content="text/html; charset=utf-8"><meta charset=shift_jis>',
        b"<meta content='charsets; charset = sjis' http-equiv=CONTENT-TYPE>",
        b"<!-- <meta charset=euc-jp> --><meta charset=shift_jis>",
        b"<!--><meta charset=shift_jis>",
        b'<a title="<meta charset=euc-jp>"><meta charset=shift_jis>',
        b"<script>'<meta charset=euc-jp>'</script><meta charset=shift_jis>",
        b"<title><meta charset=euc-jp></title><meta charset=shift_jis>",
        b"<!doctype html><? x ?></a x=y><meta charset=shift_jis><meta charset=euc-jp>",
        b"<meta charset=no-such-thing><meta charset=shift_jis>",
        b"<script>" + b"x" * 20_000 + b"</script><meta charset=shift_jis>",
        b"<?xml version='1.0' encoding='shift_jis'?>",
        b" \n<?xml version='1.0' encoding='shift_jis'?>",
    ],
)
def test_encoding_is_declared_by_the_page(head: bytes) -> None:
    """The encoding of a `<meta>` in the head, or of the XML declaration, is found as in browsers."""
    assert decoded(head + "<h1>日本".encode("shift_jis")).encoding == "shift_jis"


@pytest.mark.parametrize(
    "body",
    [
        b"<body><meta charset=shift_jis>",
        b"<!-- <meta charset=shift_jis>",
        b"<meta charset=shift_jis",
        b'<meta charset="shift_jis>',
        b"<meta content='text/html; charset=shift_jis'>",
        b"<metas charset=shift_jis>",
        b'{"html": "<meta charset=shift_jis>"}',
        b" " * MAX_PRESCAN_BYTES + b"<meta charset=shift_jis>",
    ],
)
def test_text_that_is_no_declaration_declares_nothing(body: bytes) -> None:
    """Text in the body, a comment, an unfinished tag or JSON declares no encoding."""
    assert decoded(body).encoding == "utf-8"


def test_meta_of_an_xml_page_declares_nothing() -> None:
    """If a page is parsed as XML, an HTML meta in its text is ignored."""
    body = "<rss><item><![CDATA[<meta charset=shift_jis>Grüße]]></item></rss>".encode()
    assert decoded(body, is_xml=True).encoding == "utf-8"


@pytest.mark.parametrize(
    "label",
    ["punycode", "idna", "undefined", "unicode_escape", "zlib", "rot13", "base64", "utf-7", "cp437", "ä"],
)
def test_unknown_encoding_of_a_page_that_is_not_utf_8_is_refused(label: str) -> None:
    """If the encoding is unknown and the page is not UTF-8, the job fails; another encoding is not guessed.

    Python has codecs of some of these names. They are not used: some take quadratic time, or decode to
    invalid text.
    """
    body = b"<h1>caf\xe9</h1>" + b"a" * 200_000
    recipe = Recipe.model_validate({"name": "r", "fields": {"t": {"css": "h1"}}})
    for page in (
        SavedPage("https://example.com/", f"text/html; charset={label}", body),
        SavedPage("https://example.com/", HTML, f"<meta charset={label}>".encode() + body),
    ):
        with pytest.raises(ExtractionError, match="unknown encoding") as raised:
            extract(recipe, page)
        assert raised.value.reason is Reason.CHARSET


def test_page_that_is_sent_as_utf_16_and_is_not_is_refused() -> None:
    """An ASCII page that the header calls UTF-16 is refused; its text would be CJK characters."""
    with pytest.raises(ExtractionError, match="sent as utf-16le, and its bytes are not"):
        decoded(b"<h1>plain text</h1>", "text/html; charset=utf-16")


def test_queries_of_links_are_written_in_the_encoding_of_the_page() -> None:
    """The link to the next page, a field of the type url, and `<base>` use the encoding of the page."""
    recipe = Recipe.model_validate(
        {
            "name": "r",
            "fields": {"u": {"css": "a::attr(href)", "type": "url"}},
            "next": "a",
        }
    )
    body = '<meta charset=windows-1251><base href="/я/?ж"><a href="?q=книга&p=2">'.encode("cp1251")
    found = extract(recipe, SavedPage("https://example.com/dir/", HTML, body))
    expected = "https://example.com/%D1%8F/?q=%EA%ED%E8%E3%E0&p=2"
    assert (found.next_url, found.items) == (expected, [{"u": expected}])


def test_link_that_is_no_url_is_not_an_error_of_the_recipe() -> None:
    """If the link to the next page is not a URL, it is returned as it is, and the items are kept."""
    recipe = Recipe.model_validate({"name": "r", "fields": {"t": {"css": "h1"}}, "next": "a"})
    page = SavedPage("https://example.com/", HTML, b"<h1>x</h1><a href='http://[::1'>")
    found = extract(recipe, page)
    assert (found.next_url, found.items) == ("http://[::1", [{"t": "x"}])


markup = st.lists(
    st.sampled_from(
        [
            *(
                "<meta ",
                "charset=",
                "'",
                '"',
                "utf-16",
                "shift_jis",
                ">",
                "<!--",
                "-->",
                "<script>",
                "</script>",
            ),
            *(
                "http-equiv=content-type",
                "content=",
                "<?xml ",
                "encoding=",
                "?>",
                "/",
                "=",
                "<body>",
                "\0",
                " ",
            ),
        ]
    )
    | st.text(max_size=3),
    max_size=15,
).map(lambda parts: "".join(parts).encode(errors="replace"))


@many_examples
@given(body=st.binary(max_size=100) | markup, content_type=st.sampled_from(["", HTML]) | st.text(max_size=20))
@example(body=b"<meta =>", content_type="")
@example(body=b"<meta //==''\"", content_type="")
def test_any_bytes_are_decoded_or_refused(body: bytes, content_type: str) -> None:
    """Any bytes with any Content-Type are decoded to text that UTF-8 can encode, or refused as `charset`."""
    try:
        found = decoded(body, content_type)
    except ExtractionError:
        return
    assert find_encoding(found.encoding) is not None
    found.text.encode()


@many_examples
@given(
    text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    label=st.sampled_from(sorted(LABELS)),
)
def test_text_that_is_encoded_as_declared_is_read_back(text: str, label: str) -> None:
    """A text that Python can encode in the declared encoding is read back.

    Where the standard has other characters than Python, a comparison with Chromium shows that they are right
    (tests/contract/test_encodings_in_chromium.py).
    """
    encoding = find_encoding(label)
    assert encoding is not None
    if is_refused(encoding) or encoding.name in {"utf-16le", "utf-16be", "iso-2022-jp", "x-user-defined"}:
        return
    others = _DECODED.get(encoding.name, {})
    kept = "".join(
        each for each in text if ord(each) not in others and _is_encodable(each, encoding.codec_info)
    )
    body = f"<meta charset={label}>".encode() + encoding.codec_info.encode(kept)[0]
    found = decoded(body).text.partition(">")[2]
    assert encoding.codec_info.encode(found, "replace")[0] == encoding.codec_info.encode(kept)[0]


def _is_encodable(character: str, codec: codecs.CodecInfo) -> bool:
    try:
        return bool(codec.encode(character)[0]) and codec.decode(codec.encode(character)[0])[0] == character
    except UnicodeError:
        return False
