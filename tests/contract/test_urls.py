"""Tests that valid URLs are normalised and that invalid URLs are rejected with a reason."""

from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from w3lib.url import canonicalize_url

from contract.encodings import encode_for_query, find_encoding
from contract.urls import (
    _CANONICAL,
    MAX_HOST_CHARACTERS,
    MAX_URL_CHARACTERS,
    canonical_url,
    check_url,
    host_of,
    resolve_url,
)
from tests.extraction.many_examples import many_examples

LABEL = "a" * 63
LONGEST_HOST = ".".join([LABEL, LABEL, LABEL, "a" * 61])


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("http://books.example/", "http://books.example/"),
        ("https://books.example/", "https://books.example/"),
        ("https://books.example", "https://books.example/"),
        # Scheme and host are written in lower case; the case of path and query is kept (RFC 3986 section
        # 6.2.2.1).
        ("HTTPS://Books.EXAMPLE/A?B=C", "https://books.example/A?B=C"),
        # The default port is removed; other ports are kept.
        ("http://books.example:80/", "http://books.example/"),
        ("https://books.example:443/", "https://books.example/"),
        ("http://books.example:443/", "http://books.example:443/"),
        ("https://books.example:8443/", "https://books.example:8443/"),
        ("http://books.example:/", "http://books.example/"),
        ("http://books.example:65535/", "http://books.example:65535/"),
        # The fragment is removed.
        ("http://books.example/a#b", "http://books.example/a"),
        ("http://books.example#b?c", "http://books.example/"),
        # Order and escapes of the query are kept, because a site may have signed it.
        ("http://books.example/?b=2&a=1&b=", "http://books.example/?b=2&a=1&b="),
        ("http://books.example?a", "http://books.example/?a"),
        ("http://books.example/?", "http://books.example/"),
        ("http://books.example/?q=a+b%20c", "http://books.example/?q=a+b%20c"),
        ("http://books.example/?u=http://x/?y", "http://books.example/?u=http://x/?y"),
        # Characters outside ASCII are escaped as UTF-8; existing escapes are kept.
        ("http://books.example/é?é", "http://books.example/%C3%A9?%C3%A9"),
        ("http://books.example/a b", "http://books.example/a%20b"),
        ("http://books.example/%e9%2F", "http://books.example/%e9%2F"),
        ("http://books.example/100%", "http://books.example/100%"),
        ("http://books.example/<\"'>", "http://books.example/%3C%22'%3E"),
        ("http://books.example/a\x00b", "http://books.example/a%00b"),
        # As in browsers (https://url.spec.whatwg.org/), white space at both ends, tabs and line ends are
        # removed, and `\` is replaced by `/`.
        ("  http://books.example/ \n", "http://books.example/"),
        ("\u00a0http://books.example/\u00a0", "http://books.example/"),
        ("http://books.example/a\n\tb", "http://books.example/ab"),
        ("ht\ntp://books.example/", "http://books.example/"),
        ("http://books.example/a\\b", "http://books.example/a/b"),
        ("http:\\\\books.example\\", "http://books.example/"),
        ("http://books.example\\a/", "http://books.example/a/"),
        # The host ends at a backslash, so this URL has no user.
        ("http://good.example\\@evil.example/", "http://good.example/@evil.example/"),
        ("http:/books.example/", "http://books.example/"),
        ("http:books.example", "http://books.example/"),
        ("http://@books.example/", "http://books.example/"),
        ("http://books%2eexample/", "http://books.example/"),
        ("http://books.example/a/../b/./c/%2e%2E/d", "http://books.example/b/d"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        # Host names outside ASCII are written in IDNA, by UTS 46 without transitional processing, which would
        # write ß as ss and the final sigma as another sigma, and so name the host of another owner.
        ("https://straße.de/", "https://xn--strae-oqa.de/"),
        ("https://δρόμος.gr/", "https://xn--pxaqjgh1d.gr/"),
        ("https://ශ්\u200dරී.com/", "https://xn--10cl1a0b660p.com/"),
        ("https://☃.example/", "https://xn--n3h.example/"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://BÜCHER.example/", "http://xn--bcher-kva.example/"),
        ("http://例え.テスト/", "http://xn--r8jz45g.xn--zckzah/"),
        ("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"),
        ("http://books。example/", "http://books.example/"),
        # A trailing dot of the host is kept: it is the same host in DNS, but some sites respond differently.
        ("http://books.example./", "http://books.example./"),
        ("http://my_shop.books-and-more.example/", "http://my_shop.books-and-more.example/"),
        ("http://localhost:8000/", "http://localhost:8000/"),
        ("http://192.0.2.1/", "http://192.0.2.1/"),
        ("http://[2001:DB8::1]/", "http://[2001:db8::1]/"),
        ("http://[2001:db8:0:0:0:0:0:1]:8080/", "http://[2001:db8::1]:8080/"),
        ("https://[::1]:443/a", "https://[::1]/a"),
        (f"http://{LONGEST_HOST}/", f"http://{LONGEST_HOST}/"),
    ],
)
def test_valid_url_is_normalised(url: str, written: str) -> None:
    """A valid URL is normalised, and normalising the result again does not change it."""
    assert check_url(url) == written
    assert check_url(written) == written


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "the scheme must be http or https; it is missing"),
        ("   ", "the scheme must be http or https; it is missing"),
        ("books.example", "the scheme must be http or https; it is missing"),
        ("books.example:80", "the scheme must be http or https, not 'books.example'"),
        ("/a/b", "the scheme must be http or https; it is missing"),
        ("../a", "the scheme must be http or https; it is missing"),
        ("?a=b", "the scheme must be http or https; it is missing"),
        ("//books.example/", "the scheme must be http or https; it is missing"),
        ("\\\\books.example\\", "the scheme must be http or https; it is missing"),
        ("javascript:alert(1)", "not 'javascript'"),
        ("JavaScript://books.example/%0Aalert(1)", "not 'javascript'"),
        ("data:text/html,<h1>", "not 'data'"),
        ("file:///etc/passwd", "not 'file'"),
        ("ftp://books.example/", "not 'ftp'"),
        ("mailto:me@books.example", "not 'mailto'"),
        ("gopher://books.example/", "not 'gopher'"),
        ("http:", "the host is missing"),
        ("http://", "the host is missing"),
        ("http:\\\\", "the host is missing"),
        ("http://:80/", "its host or its port is invalid"),
        ("http://me@books.example/", "a URL with a user or password is refused"),
        ("http://me:secret@books.example/", "a URL with a user or password is refused"),
        ("http://books .example/", "its host or its port is invalid"),
        ("http://books.example\x00/", "its host or its port is invalid"),
        ("http://books.example\x1f/", "its host or its port is invalid"),
        ("http://books.example:http/", "its host or its port is invalid"),
        ("http://books.example:-1/", "its host or its port is invalid"),
        ("http://books.example:65536/", "its host or its port is invalid"),
        ("http://books.example:0/", "port 0 cannot be requested"),
        ("http://[::1/", "its host or its port is invalid"),
        ("http://[::1]a/", "its host or its port is invalid"),
        ("http://[books.example]/", "its host or its port is invalid"),
        ("http://[fe80::1%25eth0]/", "its host or its port is invalid"),
        ("http://xn--a.example/", "its host or its port is invalid"),
        ("http://1.2.3.256/", "its host or its port is invalid"),
        ("http://books..example/", "'books..example' is not a host name; a label has 1 to 63"),
        ("http://.example/", "'.example' is not a host name"),
        ("http://./", "'.' is not a host name"),
        ("http://books<b>.example/", "its host or its port is invalid"),
        ("http://*.example/", "'*.example' is not a host name"),
        ("http://books,example/", "is not a host name"),
        (f"http://{LABEL}a.example/", "is not a host name; a label has 1 to 63"),
        ("http://" + "é" * 60 + ".example/", "is not a host name; a label has 1 to 63"),
        (f"http://{LONGEST_HOST}a/", f"a host has at most {MAX_HOST_CHARACTERS} characters"),
        ("http://books.example\uff0fa/", "its host or its port is invalid"),
        ("http://books.example/\ud800", "not a URL: 'utf-8' codec can't encode"),
        ("http://books\ud800.example/", "not a URL: 'utf-8' codec can't encode"),
    ],
)
def test_invalid_url_is_rejected_with_a_reason(url: str, message: str) -> None:
    """The error for an invalid URL gives the reason."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is checked below
        check_url(url)
    assert message in str(caught.value)


def test_url_is_accepted_up_to_max_characters() -> None:
    """A URL of 2,048 characters, the limit of sitemaps.org, is accepted; a longer one is rejected."""
    longest = "http://books.example/".ljust(MAX_URL_CHARACTERS, "a")
    assert check_url(longest) == longest
    with pytest.raises(ValueError, match="at most 2048 characters, this one has 2049"):
        check_url(longest + "a")


def test_url_is_rejected_if_percent_encoding_makes_it_too_long() -> None:
    """A URL is rejected if it exceeds the maximum only after percent-encoding, where é has six characters."""
    fits = "http://books.example/".ljust(2048 - 6, "a") + "é"
    assert len(check_url(fits)) == MAX_URL_CHARACTERS
    with pytest.raises(ValueError, match="percent-encoded, the URL has 2049 of 2048 characters"):
        check_url(fits + "a")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://books.example/", "books.example"),
        ("http://books.example:8080/", "books.example"),
        ("http://[2001:db8::1]:8080/", "2001:db8::1"),
        ("nonsense", ""),
    ],
)
def test_host_of_url_has_no_port_and_no_brackets(url: str, host: str) -> None:
    """The host of a URL is returned without port and brackets; it is empty if the URL has no host."""
    assert host_of(url) == host


pieces = st.text(
    st.sampled_from("ab.:/?#[]@%&=+;,\\ \t\n\0-_~é2F|^`{}<>\"'ß。\u200b\u00a0\ud800") | st.characters(),
    max_size=30,
)


@many_examples
@given(
    st.one_of(pieces, pieces.map("http://{}".format), st.builds("http://h{}.x/{}?{}".format, *[pieces] * 3))
)
def test_normalised_url_is_stable(text: str) -> None:
    """A normalised URL is accepted again and not changed, so a job can be decoded any number of times."""
    try:
        written = check_url(text)
    except ValueError:
        return
    assert check_url(written) == written
    assert written.isascii()
    assert "#" not in written
    assert 0 < len(host_of(written)) <= MAX_HOST_CHARACTERS + 1


PAGE = "https://books.example/dir/page?old=1#there"


@pytest.mark.parametrize(
    ("reference", "resolved"),
    [
        ("", "https://books.example/dir/page?old=1"),
        ("next", "https://books.example/dir/next"),
        ("../up/./x", "https://books.example/up/x"),
        ("?p=2", "https://books.example/dir/page?p=2"),
        ("#here", "https://books.example/dir/page?old=1#here"),
        ("//other.example/a", "https://other.example/a"),
        ("\\\\other.example\\a?b\\c", "https://other.example/a?b\\c"),
        ("a\\b", "https://books.example/dir/a/b"),
        (" \n next \t", "https://books.example/dir/next"),
        ("ne\nxt", "https://books.example/dir/next"),
        ("https:next", "https://books.example/dir/next"),
        ("https:/next", "https://books.example/next"),
        ("HTTP://Straße.example", "http://xn--strae-oqa.example/"),
        ("a b?c d", "https://books.example/dir/a%20b?c%20d"),
        ("%e9%2F100%", "https://books.example/dir/%e9%2F100%"),
        ("mailto:me@books.example", "mailto:me@books.example"),
        ("javascript:void(0)", "javascript:void(0)"),
    ],
)
def test_link_is_resolved_as_in_browsers(reference: str, resolved: str) -> None:
    """A link is resolved against the page's URL as the URL Standard says."""
    assert resolve_url(PAGE, reference) == resolved


@pytest.mark.parametrize(
    ("encoding", "reference", "resolved"),
    [
        ("utf-8", "/é?q=é#é", "/%C3%A9?q=%C3%A9#%C3%A9"),
        ("windows-1251", "/я?q=книга&p=2#я", "/%D1%8F?q=%EA%ED%E8%E3%E0&p=2#%D1%8F"),
        ("shift_jis", "?q=日本&x=表", "/dir/page?q=%93%FA%96{&x=%95\\"),
        ("euc-jp", "?q=−", "/dir/page?q=%A1%DD"),
        ("gb2312", "?q=中文", "/dir/page?q=%D6%D0%CE%C4"),
        # A character that is missing in the encoding is written as a character reference.
        ("iso-8859-2", "?q=日&amp", "/dir/page?q=%26%2326085%3B&amp"),
        ("iso-2022-jp", "?q=\u0412", "/dir/page?q=%1B$B%27%23%1B(B"),
        # Queries are written in UTF-8 if the page is UTF-16, or its encoding is not known.
        ("utf-16le", "?q=é", "/dir/page?q=%C3%A9"),
        ("no-such-thing", "?q=é", "/dir/page?q=%C3%A9"),
        # Existing escapes are kept, whatever they mean in the encoding.
        ("shift_jis", "?q=%E6%97%A5日", "/dir/page?q=%E6%97%A5%93%FA"),
    ],
)
def test_query_of_a_link_is_written_in_the_encoding_of_its_page(
    encoding: str, reference: str, resolved: str
) -> None:
    """The query of a link is percent-encoded in the page's encoding, and its path and fragment in UTF-8."""
    assert resolve_url(PAGE, reference, encoding) == f"https://books.example{resolved}"


@pytest.mark.parametrize("reference", ["http://[::1", "//books .example/", "http://a:b:c/", "http://\ud800/"])
def test_link_that_is_no_url_is_rejected(reference: str) -> None:
    """A link that browsers cannot resolve raises ValueError."""
    with pytest.raises(ValueError, match="not a URL"):
        resolve_url(PAGE, reference)


@many_examples
@given(
    st.text(st.characters(codec="cp1251") | st.sampled_from("日本中文표−〜①"), max_size=20),
    st.sampled_from(["shift_jis", "euc-kr", "windows-1251", "gbk", "big5", "iso-2022-jp"]),
)
def test_bytes_of_the_query_are_those_of_the_text_in_the_encoding(text: str, encoding: str) -> None:
    """The bytes that are sent as the query are the bytes of its text in the page's encoding."""
    found = find_encoding(encoding)
    assert found is not None
    text = "".join(character for character in text if character.isprintable() and character not in "&#%+ ")
    url = check_url(resolve_url(PAGE, f"?q={text}", encoding))
    sent = unquote_to_bytes(url.partition("?q=")[2])
    assert sent == (text.encode() if text.isascii() else unquote_to_bytes(encode_for_query(text, found)))


@many_examples
@given(pieces, pieces)
def test_resolved_http_link_is_accepted_and_equivalent_to_itself(base: str, reference: str) -> None:
    """The result for any link is not changed by resolving it again, and `check_url` accepts or refuses it."""
    try:
        resolved = resolve_url(f"http://h.example/{base}", reference)
        checked = check_url(resolved)
    except ValueError:
        return
    assert resolve_url("http://other.example/", resolved) == resolved
    assert check_url(checked) == checked
    assert canonical_url(checked) == canonical_url(canonical_url(checked))


@many_examples
@given(st.from_regex(_CANONICAL, fullmatch=True))
@example("http://h.example/~a-b_c.d?~k.=-v_")
@example("http://h.example:8080//a/b..//?a=b")
def test_url_that_is_taken_as_canonical_is_so_for_w3lib(url: str) -> None:
    """The shortcut for checked URLs that are written as usual gives the same form, so no job id changes."""
    try:
        checked = check_url(url)
    except ValueError:
        return
    if _CANONICAL.fullmatch(checked):
        assert canonicalize_url(checked) == canonical_url(checked) == checked


@given(st.text(max_size=30) | st.from_regex(r"https?://[a-z0-9.@:\[\]?#/-]{0,30}", fullmatch=True))
def test_host_of_any_text_is_that_of_the_standard_library(url: str) -> None:
    """The host is found without reading the path, and is the same."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return
    assert host_of(url) == host
