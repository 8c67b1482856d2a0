"""Tests that valid URLs are normalised and that invalid URLs are rejected with a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.urls import MAX_HOST_CHARACTERS, MAX_URL_CHARACTERS, check_url, host_of

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
        # Host names outside ASCII are written in IDNA.
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
        ("http:///a", "the host is missing"),
        ("http:/books.example/", "the host is missing"),
        ("http:books.example", "the host is missing"),
        ("http:\\\\books.example\\", "the host is missing"),
        ("http://:80/", "the host is missing"),
        ("http://me@books.example/", "a URL with a user or password is refused"),
        ("http://me:secret@books.example/", "a URL with a user or password is refused"),
        ("http://@books.example/", "a URL with a user or password is refused"),
        ("http://good.example\\@evil.example/", "a URL with a user or password is refused"),
        ("http://books .example/", "the host contains a space, a backslash or a control character"),
        ("http://books.example\\a/", "the host contains a space, a backslash or a control character"),
        ("http://books.example\x00/", "the host contains a space, a backslash or a control character"),
        ("http://books.example\x1f/", "the host contains a space, a backslash or a control character"),
        ("http://books.example:http/", "not a URL: Port could not be cast"),
        ("http://books.example:-1/", "not a URL: Port could not be cast"),
        ("http://books.example:65536/", "not a URL: Port out of range"),
        ("http://books.example:0/", "port 0 cannot be requested"),
        ("http://[::1/", "not a URL: Invalid IPv6 URL"),
        ("http://[::1]a/", "not a URL: Invalid IPv6 URL"),
        ("http://[books.example]/", "does not appear to be an IPv4 or IPv6 address"),
        ("http://[::g]/", "does not appear to be an IPv4 or IPv6 address"),
        ("http://[v1.abc]/", "the brackets must contain an IPv6 address without a zone"),
        ("http://[fe80::1%25eth0]/", "the brackets must contain an IPv6 address without a zone"),
        ("http://books..example/", "'books..example' is not a host name; a label has 1 to 63"),
        ("http://.example/", "'.example' is not a host name"),
        ("http://./", "'.' is not a host name"),
        ("http://books%2eexample/", "'books%2eexample' is not a host name"),
        ("http://books<b>.example/", "is not a host name"),
        ("http://*.example/", "'*.example' is not a host name"),
        ("http://books,example/", "is not a host name"),
        (f"http://{LABEL}a.example/", "is not a host name; a label has 1 to 63"),
        ("http://" + "é" * 60 + ".example/", "is not a host name; a label has 1 to 63"),
        (f"http://{LONGEST_HOST}a/", f"a host has at most {MAX_HOST_CHARACTERS} characters"),
        ("http://books.example\uff0fa/", "not a URL: netloc"),
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
