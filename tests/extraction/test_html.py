"""HTML: the tree that libxml2 makes of it, whatever its pieces, and none that costs out of all proportion."""

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
#: None of these is a tag of many attributes: only a script, a comment, a text or a value that looks like one.
LOOK_ALIKES = {
    "a script": f"<script>for (i = 0; i <n; i++) {{ {ATTRIBUTES} }}</script>",
    "a comment": f"<!-- <a {ATTRIBUTES} -->",
    "a style": f"<style><a {ATTRIBUTES}</style>",
    "a title": f"<title><a {ATTRIBUTES}</title>",
    "a value": f"<p title='<a {ATTRIBUTES}'>one</p>",
    "words": f"<p>{ATTRIBUTES}</p>",
}
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
    text=st.lists(st.sampled_from(MARKUP), max_size=30).map("".join), piece=st.sampled_from([1, 3, 64, 65536])
)
def test_pieces_make_the_tree_of_the_whole(text: str, piece: int) -> None:
    """However it is cut, characters of several bytes and tags included."""
    whole = etree.fromstring(
        text.strip().encode() or b"<html/>", etree.HTMLParser(encoding="utf-8", huge_tree=True)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html, "CHUNK_BYTES", piece)
        found = parse_html(text.strip(), no_deadline)
    assert etree.tostring(found) == (b"<html/>" if whole is None else etree.tostring(whole))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_an_element_with_attributes_without_end_is_refused(text: str) -> None:
    """libxml2 compares each with all before it: of a page of 5 MiB, for minutes."""
    with pytest.raises(ExtractionError, match="more than 2000 attributes") as refused:
        parse_html(PADDING + text, no_deadline)
    assert refused.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize("text", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
def test_what_only_looks_like_attributes_is_read(text: str) -> None:
    """Whether a tag begins somewhere is for the parser to say."""
    root = parse_html(f"{text}{PADDING}<h1>Faust</h1>", no_deadline)
    assert root.findtext(".//h1") == "Faust"


def test_tags_that_seem_to_begin_inside_of_tags_are_not_read_for_ever() -> None:
    """Each would have to be read to the end of the page: the square of its length."""
    with pytest.raises(ExtractionError, match="begin inside other tags"):
        parse_html(f"{PADDING}<script>{'<n ' * 1900}></script>", no_deadline)
    with pytest.raises(ExtractionError, match="begin inside other tags"):
        parse_html(PADDING + LOOK_ALIKES["a script"] * (MAX_SUSPECT_TAGS + 1), no_deadline)


def test_a_page_of_tags_only_is_refused_before_it_fills_the_memory() -> None:
    """An element costs fifty times its tag."""
    with pytest.raises(ExtractionError, match=f"at most {MAX_TAGS} are read") as refused:
        parse_html("<p>" * (MAX_TAGS + 1), no_deadline)
    assert refused.value.reason is Reason.TOO_LARGE


def test_the_time_that_is_left_is_asked_for_at_each_piece() -> None:
    """So that a page whose pieces are dear ends with the budget."""
    asked = 0

    def check_deadline() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        parse_html("<div>" * 2000 + "</b>" * (CHUNK_BYTES * 4), check_deadline)
    assert asked == 3
