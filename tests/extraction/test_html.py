"""Tests that HTML is parsed as lxml parses it."""

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from extraction.html import parse_html

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
    found = parse_html(text.strip())
    assert etree.tostring(found) == (b"<html/>" if whole is None else etree.tostring(whole))
