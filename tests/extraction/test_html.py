"""Tests that HTML is parsed correctly in chunks, and that pages that would take too long are rejected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from contract.outcome import Reason
from extraction import html
from extraction.errors import ExtractionError
from extraction.html import CHUNK_BYTES, MAX_ATTRIBUTES, MAX_SUSPECT_TAGS, MAX_TAGS, no_deadline, parse_html

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
ATTRIBUTES = "".join(f" a{number}" for number in range(MAX_ATTRIBUTES + 1))
PADDING = "<p>padding</p>" * (CHUNK_BYTES // 10)
#: Scripts, comments, texts and attribute values that look like a tag with many attributes, but are not tags.
LOOK_ALIKES = {
    "a script": f"<script>for (i = 0; i <n; i++) {{ {ATTRIBUTES} }}</script>",
    "a comment": f"<!-- <a {ATTRIBUTES} -->",
    "a style": f"<style><a {ATTRIBUTES}</style>",
    "a title": f"<title><a {ATTRIBUTES}</title>",
    "a value": f"<p title='<a {ATTRIBUTES}'>one</p>",
    "words": f"<p>{ATTRIBUTES}</p>",
}
#: Tags with more than the maximum number of attributes, in forms that are hard to recognise.
HOSTILE = {
    "plain": f"<a {ATTRIBUTES}>",
    "with values": f"<a {ATTRIBUTES.replace(' ', '=1 ')}>",
    "with > in values": "<a" + "".join(f" a{number}='>'" for number in range(MAX_ATTRIBUTES + 1)),
    "without spaces": "<a " + "".join(f"a{number}='>'" for number in range(MAX_ATTRIBUTES + 1)),
    "with slashes": f"<a {ATTRIBUTES.replace(' ', '/')}>",
    "never closed": f"<a {ATTRIBUTES}",
    "after a script that seems to open a value": f"<script>'<b c=\"'</script><a {ATTRIBUTES}>",
    "after a comment that seems to open a script": f"<!-- <script> --><a {ATTRIBUTES}>",
    "after a quote that is a name": f'<a x" y=">" {ATTRIBUTES}>',
    "after an unquoted value with quotes": f'<a b=c="x y=">" {ATTRIBUTES}>',
    "upper case": f"<A {ATTRIBUTES.upper()}>",
}


@given(
    text=st.lists(st.sampled_from(MARKUP), max_size=30).map("".join), chunk=st.sampled_from([1, 3, 64, 65536])
)
def test_parsing_in_chunks_gives_the_same_tree(text: str, chunk: int) -> None:
    """The tree is the same in chunks of any size, even if a chunk ends inside a tag or a character."""
    whole = etree.fromstring(
        text.strip().encode() or b"<html/>", etree.HTMLParser(encoding="utf-8", huge_tree=True)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html, "CHUNK_BYTES", chunk)
        found = parse_html(text.strip(), no_deadline)
    assert etree.tostring(found) == (b"<html/>" if whole is None else etree.tostring(whole))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_element_with_too_many_attributes_is_too_large(text: str) -> None:
    """A page with too many attributes in one element is rejected.

    libxml2 compares each attribute with all attributes before it, which takes minutes on a page of 5 MiB.
    """
    with pytest.raises(ExtractionError, match="more than 2000 attributes") as raised:
        parse_html(PADDING + text, no_deadline)
    assert raised.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize("text", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
def test_text_that_looks_like_attributes_is_parsed(text: str) -> None:
    """Text that only looks like a tag with many attributes does not make a page too large."""
    root = parse_html(f"{text}{PADDING}<h1>Faust</h1>", no_deadline)
    assert root.findtext(".//h1") == "Faust"


def test_tags_that_seem_to_begin_inside_tags_are_too_large() -> None:
    """A page on which counting attributes would take quadratic time is rejected."""
    with pytest.raises(ExtractionError, match="begin inside other tags"):
        parse_html(f"{PADDING}<script>{'<n ' * 1900}></script>", no_deadline)
    with pytest.raises(ExtractionError, match="begin inside other tags"):
        parse_html(PADDING + LOOK_ALIKES["a script"] * (MAX_SUSPECT_TAGS + 1), no_deadline)


def test_page_with_too_many_tags_is_too_large() -> None:
    """A page with more than MAX_TAGS tags is rejected, because its elements would need too much memory."""
    with pytest.raises(ExtractionError, match=f"the maximum is {MAX_TAGS}") as raised:
        parse_html("<p>" * (MAX_TAGS + 1), no_deadline)
    assert raised.value.reason is Reason.TOO_LARGE


def test_deadline_is_checked_after_each_chunk() -> None:
    """Parsing ends with the exception of the deadline's check, here after the third chunk."""
    checks = 0

    def check_deadline() -> None:
        nonlocal checks
        checks += 1
        if checks == 3:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        parse_html("<div>" * 2000 + "</b>" * (CHUNK_BYTES * 4), check_deadline)
    assert checks == 3
