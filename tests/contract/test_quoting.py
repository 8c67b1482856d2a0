"""Tests that quoted texts have no passwords of URLs and no characters that could control a terminal."""

import json
from unicodedata import category

import can_ada
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.quoting import (
    MAX_USERINFO_CHARACTERS,
    escape_unprintable,
    hide_userinfo,
    quote,
    shorten,
)
from tests.extraction.many_examples import many_examples

BASE = "http://base.example/a/"
#: Invalid URLs that people write. Their host is `bob`, and the rest of the userinfo is a path or the like.
UNESCAPED = [
    "http://bob:se/cret@h.example/",
    "http://bob:se\\cret@h.example/",
    "http://bob:se?cret@h.example/",
    "http://bob:se#c@ret@h.example/",
]
#: URLs in all the forms in which browsers accept or nearly accept a user and a password.
WITH_SECRETS = [
    "http://bob:secret@h.example/",
    "HTTP://bob:secret@h.example/",
    "http://secret@h.example/",
    "http://:secret@h.example/",
    "http://bob:secret@h.example",
    "http://bob:secret@h.example:8080/a?b#c",
    "http://bob:%73ecret@h.example/",
    "http://bob%3Asecret%40x@h.example/",
    "http://bob:sec@secret@h.example/",
    "http://bob:secret@@h.example/",
    "//bob:secret@h.example/",
    "\\\\bob:secret@h.example\\",
    "http:\\\\bob:secret@h.example\\",
    "http:\\/\\bob:secret@h.example/",
    "http:/bob:secret@h.example/",
    "http:bob:secret@h.example/",
    "http:////bob:secret@h.example/",
    "ht\ntp:/\t/bob:se\ncret@h.example/",
    "h\tttp:bob:secret@h.example/",
    "http://bob:my secret@h.example/",
    'http://bob:it\'s "secret"@h.example/',
    "https://bob:sécret@h.example/",
    "ftp://bob:secret@h.example/",
    "postgres://bob:secret@h.example/",
    "http://bob:secret@[::1]/",
]


@pytest.mark.parametrize("url", [*WITH_SECRETS, *UNESCAPED])
def test_user_and_password_of_a_url_are_hidden(url: str) -> None:
    """Neither a user nor a password is left of a URL, alone, within a sentence, or quoted by `repr`."""
    host = url[url.rindex("@") + 1 :]
    for text in (url, f"a redirect to {url} from http://other.example/", f"found {url!r}", f"{[url]}"):
        hidden = hide_userinfo(text)
        assert not any(part in hidden for part in ("bob", "secret", "sécret", "cret", "sec", "my"))
        assert "***@" in hidden
    assert hide_userinfo(url).endswith(f"***@{host}")


@pytest.mark.parametrize(
    "text",
    [
        "http://h.example/@bob",
        "https://h.example:8443/a:b@c",
        "http://h.example?mail=bob@mail.example",
        "http://h.example#@bob",
        "write to bob@mail.example, see http://h.example/",
        "http://h.example/ and bob@mail.example",
        "mailto:bob@mail.example",
        "news: bob@mail.example",
        "http://[::1]:80/a:b@c",
        "price: '12 @ 3' is not a number",
    ],
)
def test_text_without_userinfo_is_not_changed(text: str) -> None:
    """An `@` in a path, a query, a fragment, an email address or a sentence is not the end of a userinfo."""
    assert hide_userinfo(text) == text
    assert shorten(text, 200) == text


PARTS = [
    "http",
    "HTTPS",
    "ftp",
    "ws",
    ":",
    "/",
    "\\",
    "//",
    "@",
    "u",
    "pw",
    "h.example",
    "?",
    "#",
    ".",
    "%40",
    "'",
    "[",
    "]",
    "::1",
    "80",
    "é",
    "..",
    "-",
    "_",
    "<",
    ";",
]
urls_like = st.lists(st.sampled_from([*PARTS, " ", "\t", "\n", "\r"]), max_size=14).map("".join)


@many_examples
@given(urls_like)
@example("http:u@h.example")
def test_what_a_browser_reads_as_userinfo_is_hidden(url: str) -> None:
    """If the URL parser finds a user or password in a URL, it finds only `***` after hiding."""
    for base in ("", BASE):
        try:
            parsed = can_ada.parse(base) + url if base else can_ada.parse(url)
        except ValueError:
            continue
        if parsed.username or parsed.password:
            hidden = hide_userinfo(url)
            again = can_ada.parse(base) + hidden if base else can_ada.parse(hidden)
            assert (again.username, again.password, again.host) == ("***", "", parsed.host)


@many_examples
@given(urls_like | st.text())
def test_hiding_twice_changes_nothing(text: str) -> None:
    """A text whose userinfo is hidden is not changed again."""
    hidden = hide_userinfo(text)
    assert hide_userinfo(hidden) == hidden


@pytest.mark.parametrize("url", WITH_SECRETS)
@pytest.mark.parametrize("length", [1, 5, 20, 100, MAX_USERINFO_CHARACTERS, 100_000])
def test_shortening_hides_a_userinfo_that_is_cut(url: str, length: int) -> None:
    """However long the text, no part of a password is left, although the `@` behind it may be cut off."""
    user = "secret" * length
    for text in (f"{'x' * length} {url}", url.replace("@h.example", f"{user}@h.example"), url + "x" * length):
        for limit in (10, 20, 80, 200):
            shortened = shorten(text, limit)
            assert len(shortened) <= limit
            assert "bob" not in shortened
            assert "ecret" not in shortened


def test_a_shortened_text_ends_with_an_ellipsis() -> None:
    """A text is cut to the maximum length, including an ellipsis; a shorter text is not changed."""
    assert shorten("x" * 10, 10) == "x" * 10
    assert shorten("x" * 11, 10) == "x" * 9 + "…"
    assert shorten(shorten("x" * 11, 10), 10) == "x" * 9 + "…"
    assert quote("it\n" + "x" * 300, 10) == repr("it\nxxxxxx…")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain text, ünïcödé, 字, 😀, عود", "plain text, ünïcödé, 字, 😀, عود"),
        ("no-break\u00a0space, ideographic\u3000space", "no-break\u00a0space, ideographic\u3000space"),
        ("\x00\x07\x1b[2J\x7f", "\\u0000\\u0007\\u001b[2J\\u007f"),
        ("\x85\x9b2J", "\\u0085\\u009b2J"),
        ("a\r\n\tb", "a\\u000d\\u000a\\u0009b"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("zero\u200bwidth\ufeff\u00ad", "zero\\u200bwidth\\ufeff\\u00ad"),
        ("\u3164\u115f\u2800", "\\u3164\\u115f\\u2800"),
        ("\U000e0041\U000e0100", "\\udb40\\udc41\\udb40\\udd00"),
        ("\ud800", "\\ud800"),
        ("\ue000\U0010ffff", "\\ue000\\udbff\\udfff"),
    ],
)
def test_what_a_terminal_does_not_show_is_escaped(text: str, escaped: str) -> None:
    """Control, bidirectional, invisible and unassigned characters are escaped; visible text is kept."""
    assert escape_unprintable(text) == escaped


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(values)
def test_an_escaped_json_document_has_the_same_values(value: object) -> None:
    """JSON whose unprintable characters are escaped is JSON on one line with the same values."""
    line = escape_unprintable(json.dumps(value, ensure_ascii=False))
    assert json.loads(line) == value
    assert {category(character) for character in line}.isdisjoint({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
