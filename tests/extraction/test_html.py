"""Tests that HTML is parsed as lxml parses it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from contract.recipe import Markup
from extraction.document import Document
from extraction.html import parse_html
from extraction.page import SavedPage

MARKUP = [
    "<p>",
    "</p>",
    "<div class='a b'>",
    "</div>",
    "é",
    "😀",
    "<table>",
    "<tr><td>",
    "text & more",
    "&nbsp;",
    "<script>if(a<b)x='<p>'</script>",
    "<!-- c -->",
    "<a href=x>",
    "\n",
    "<html lang=de>",
    "<head><title>",
    "</title>",
    "<![CDATA[x]]>",
    "<?xml version='1.0' encoding='latin-1'?>",
    "</b>",
    "<svg><path d='M'/></svg>",
    "<a b='",
]


@given(text=st.lists(st.sampled_from(MARKUP), max_size=30).map("".join))
def test_the_tree_is_that_of_lxml(text: str) -> None:
    """The tree is the one that lxml makes of the whole text, whatever encoding the text declares."""
    whole = etree.fromstring(
        text.strip().encode() or b"<html/>", etree.HTMLParser(encoding="utf-8", huge_tree=True)
    )
    found = parse_html(text.strip().encode())
    assert etree.tostring(found) == (b"<html/>" if whole is None else etree.tostring(whole))


PARTS = ["<p>one</p>", "é", "\u3000", "\xa0", " ", "\x1f", "\x85", "\0", "\ufeff", "\ufffd", "<b>", "\n"]


@given(
    parts=st.lists(st.sampled_from([part.encode() for part in PARTS] + [b"\xff", b"\xe2\x82"]), max_size=8),
    encoding=st.sampled_from(["utf-8", "windows-1252", "shift_jis"]),
)
def test_a_page_is_parsed_as_its_text(parts: list[bytes], encoding: str) -> None:
    """The bytes of a page give the tree of its decoded text, without white space at its ends and NULs."""
    page = SavedPage("https://example.com/", f"text/html; charset={encoding}", b"".join(parts))
    document = Document(page, Markup.HTML)
    text = document.text.strip().replace("\0", "")
    assert etree.tostring(document.root) == etree.tostring(parse_html(text.encode()))


@pytest.mark.parametrize(
    "markup", ["</br>", "</BR >", "</br/>", "<p></br>", "<table></br>", "<select></br>", "</html></br>"]
)
def test_end_tag_of_br_is_a_line_break(markup: str) -> None:
    """`</br>` is a `<br>` wherever it stands, although libxml2 ignores it."""
    assert len([*parse_html(f"<body>one{markup}two".encode()).iter("br")]) == 1


@pytest.mark.parametrize("page", ["<iframe></br></iframe>", "<title></br></title>", "<p></br class='x>one"])
def test_end_tag_of_br_that_is_no_markup_is_not_a_line_break(page: str) -> None:
    """`</br>` in the text of an element is text, and a tag that the end of the page cuts off is left out."""
    assert not [*parse_html(page.encode()).iter("br")]
