"""Tests that the text of an element is the text that a browser shows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.recipe import Recipe
from extraction.extract import extract
from extraction.html import parse_html
from extraction.page import SavedPage
from extraction.rendered_text import MAX_INLINE_DEPTH, rendered_text
from tests.extraction.many_examples import many_examples


def rendered(markup: str, tag: str = "div", *, mark_raised: bool = False) -> str:
    """Return the rendered text of the first element with this name."""
    element = parse_html(markup.encode()).find(f".//{tag}")
    assert element is not None
    return rendered_text(element, mark_raised=mark_raised)


def value(body: str, content_type: str = "text/html", markup: str = "html", **field: Any) -> object:  # noqa: ANN401 - JSON
    """Return the value of one field of a page."""
    recipe = Recipe.model_validate({"name": "r", "markup": markup, "fields": {"f": field}})
    return extract(recipe, SavedPage("https://shop.example/", content_type, body.encode())).items[0]["f"]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<div>1 Main St<br>Springfield", "1 Main St\nSpringfield"),
        ("<div>a <br> <br> b", "a\n\nb"),
        ("<div><ul><li>red</li><li>blue</li></ul>", "red\nblue"),
        ("<div>a<div>b</div>c<section>d</section>", "a\nb\nc\nd"),
        ("<div>a<p>b</p><p></p><p>c</p>d", "a\n\nb\n\nc\n\nd"),
        ("<div><h1>a</h1>\n<h2>b</h2> </div>", "a\nb"),
        ("<div><table><tr><td>a</td><!-- x --> <th>b</th></tr><tr><td>c<td></table>", "a\tb\nc\t"),
        ("<div>a<script>b</script><style>c</style><template>d</template><noscript>e</noscript>f", "af"),
        ("<div>a<textarea>b</textarea><iframe>c</iframe><svg><title>d</title></svg>e", "ae"),
        ("<div>a<span hidden>b</span><b style='color:red; Display : NONE'>c</b>d<p hidden>e</p>f", "adf"),
        ("<div>a<i style='visibility:hidden'>b</i><i style='color:red'>c</i>", "ac"),
        ("<div>a<span style='display:block'>b</span><div style='display:inline-block'>c</div>d", "a\nb\ncd"),
        ("<div>a<span style='float:left'>b</span>c", "a\nb\nc"),
        ("<div>  a \n\t b&nbsp; <i> c</i> <b>d</b><!-- e --> f ", "a b\u00a0 c d f"),
        ("<div>a<pre>\n b\n  c </pre>d", "a\n b\n  c \nd"),
        ("<div>19<sup>99</sup> m<sub>2</sub>", "1999 m2"),
        ("<div></div>", ""),
        ("<div>a</br>b</BR >c<p title='</br>'>d", "a\nb\nc\n\nd"),
        ("<div>a<dialog>b</dialog><dialog open>c</dialog>d", "a\nc\nd"),
        ("<div>a<meter>b</meter><progress>c</progress>d", "ad"),
        ("<div style='display: flex'><b>a</b><b>b</b>c", "a\nb\nc"),
        ("<div><a style='color:red;display:inline-grid'><b>a</b><b>b</b></a>c", "a\nb\nc"),
        ("<div><svg><text>a</text><text>b</text></svg>c<text>d</text>", "a\nb\ncd"),
        ("<div><table><tr><td>a</td>b<td>c</td></table>d", "a\tb\tc\nd"),
    ],
)  # fmt: skip
def test_text_of_an_element_is_that_of_a_browser(markup: str, text: str) -> None:
    """Lines, cells, hidden elements and white space are as innerText has them."""
    assert rendered(markup) == text


def test_digits_in_sup_and_sub_are_marked() -> None:
    """Only if asked for, the digits and signs inside `<sup>` and `<sub>` become raised characters."""
    markup = "<div>$19<sup>9<b>9</b></sup>, 10<sup>-3</sup> m<sup>2</sup>, H<sub>2</sub>O 3<sup>rd</sup>"
    assert rendered(markup, mark_raised=True) == "$19⁹⁹, 10⁻³ m², H₂O 3rd"
    assert rendered("<sup>2</sup>", "sup", mark_raised=True) == "²"


@pytest.mark.parametrize("tag", ["script", "style", "textarea", "title", "noscript", "template"])
def test_hidden_element_that_is_selected_has_its_text(tag: str) -> None:
    """If a selector selects an element that browsers hide, the value is nevertheless its text."""
    assert value(f"<p>x<{tag}> a  b </{tag}>", css=tag) == "a b"
    assert value("<p hidden>a<b>b</b><br>c</p>", css="p") == "ab c"


@pytest.mark.parametrize(
    ("markup", "field", "expected"),
    [
        ("<p>1 Main St<br>Springfield</p>", {}, "1 Main St Springfield"),
        ("<p>a<br>b</p>", {"css": "p::text", "many": True}, ["a", "b"]),
        ("<p>a<br>b</p>", {"xpath": "string(//p)"}, "ab"),
        ("<p>a<br>b</p>", {"type": "html"}, "<p>a<br>b</p>"),
        ("<ul><li>a<br>b<li>c</ul>", {"css": "li", "many": True}, ["a b", "c"]),
        ("<p>Tel: 1<br>Fax: 2</p>", {"re": "(?m)^Fax: (.*)$"}, "2"),
        ("<p> a  b<br>c</p>", {"transforms": [{"split": "\n"}], "many": True}, ["a b", "c"]),
        ("<p>12<br>34</p>", {"type": "number"}, None),
        ("<div><p>10<div>20</div></div>", {"css": "div", "type": "number"}, None),
        ("<p>$19<sup>99</sup></p>", {"type": "number"}, None),
        ("<p>$19<sup>99</sup></p>", {}, "$1999"),
        ("<p>54 m<sup>2</sup></p>", {"type": "number"}, 54),
        # Digits in different elements are several numbers, except for a pattern or a transform.
        ("<p><b>19</b><i>99</i> €</p>", {"type": "number"}, None),
        ("<p>19<small>999</small></p>", {"type": "number"}, None),
        ("<p><b>19</b><i>99</i> €</p>", {}, "1999 €"),
        ("<p><b>1</b><i>9</i> €</p>", {"type": "number", "re": r"\d+"}, 19),
        ("<p><b>19</b><i>.</i><i>99</i> €</p>", {"type": "number"}, 19.99),
        ("<p>12<wbr>34<!-- x -->5</p>", {"type": "number"}, 12345),
    ],
)  # fmt: skip
def test_field_sees_the_shown_text(markup: str, field: dict[str, Any], expected: object) -> None:
    """`re`, the transforms, `many` and the types see the lines of the text; `::text` sees text nodes."""
    selector = {} if {"css", "xpath"} & field.keys() else {"css": "p"}
    assert value(markup, **selector, **field) == expected


def test_br_end_tag_in_a_script_or_an_attribute_is_unchanged() -> None:
    """`</br>` is a line break only where it is markup."""
    script = "<script>a = '</br>'</script><!-- </br> --><b title=\"</br>\">"
    assert value(script, css="script::text") == "a = '</br>'"
    assert value(script, css="b::attr(title)") == "</br>"


def test_text_of_xml_is_all_the_text_inside() -> None:
    """XML has no elements that begin a line, so nothing is inserted."""
    assert value("<r><p>a<br/>b</p></r>", "text/xml", "xml", css="p") == "ab"


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ("<html><body><p>a</p></body></html><p>b</p>", ["a", "b"]),
        ("<p>a</p></body>t<p>b</p></html>u<p>c</p>", ["a", "b", "c"]),
        ("<html><body><p>a</p></body></html><html><head><p>b</p></head><body><p>c</p></body></html>",
         ["a", "b", "c"]),
        ("<html></html><p>a</p>", ["a"]),
    ],
)  # fmt: skip
def test_what_follows_the_end_of_html_is_in_the_body(body: str, texts: list[str]) -> None:
    """Elements after `</body>` and `</html>`, and those of a second `<html>`, are found in the body."""
    assert value(body, css="body p", many=True) == texts
    words = body.translate(str.maketrans("<>/", "   ")).split()
    assert value(body, css="body") == " ".join(word for word in words if len(word) == 1 and word != "p")


Tree = tuple[str, list["Tree | str"]]  #: the name of an element, and its children
WORDS = st.text("abcdefgh", min_size=1, max_size=3)
TREES = st.recursive(
    st.tuples(st.sampled_from(["b", "div"]), st.lists(WORDS, min_size=1, max_size=2)),
    lambda inner: st.tuples(
        st.sampled_from(["b", "span", "div", "section"]), st.lists(inner | WORDS, min_size=1, max_size=4)
    ),
    max_leaves=12,
)


def _to_markup(tree: Tree | str) -> str:
    if isinstance(tree, str):
        return tree
    name, children = tree
    return f"<{name}>{''.join(map(_to_markup, children))}</{name}>"


def _to_lines(tree: Tree | str) -> str:
    if isinstance(tree, str):
        return tree
    name, children = tree
    border = "\n" if name in {"div", "section"} else ""
    return border + "".join(map(_to_lines, children)) + border


@many_examples
@given(TREES)
def test_words_are_separated_exactly_at_the_borders_of_blocks(tree: Tree) -> None:
    """In any tree, words in different blocks are in different lines, and other words are not separated."""
    lines = [line for line in _to_lines(tree).split("\n") if line]
    assert rendered(f"<article>{_to_markup(tree)}</article>", "article").split("\n") == lines


@given(
    depth=st.integers(1, 2 * MAX_INLINE_DEPTH),
    inside=st.sampled_from(["", "<br>two", "<p>two</p>", "<i hidden>two</i>"]),
)
def test_the_depth_of_inline_elements_changes_nothing(depth: int, inside: str) -> None:
    """However deep inline elements are nested, the text is that of the same elements side by side."""
    nested = f"<div>{'<b>' * depth}one {inside}{'</b>' * depth} end</div>"
    flat = f"<div><b>one </b>{inside} end</div>"
    assert rendered(nested) == rendered(flat)
