r"""Renders the text of an HTML element as a browser shows it. Pure.

The rules are those of innerText (https://html.spec.whatwg.org/#the-innertext-idl-attribute), as far as they
follow from the markup: style sheets are not read, but the attributes `hidden` and `style` are.
"""

import re

from lxml import etree
from lxml.etree import _Element as Element

_HIDDEN_NAMES = (
    "area audio base basefont canvas datalist defs desc head iframe link meta metadata meter noembed "
    "noframes noscript param progress rp script source style template textarea title track video"
)
#: Elements that browsers do not show, or whose content they replace
#: (https://html.spec.whatwg.org/#hidden-elements).
_HIDDEN = frozenset(_HIDDEN_NAMES.split())
#: Elements whose content is text and not markup. If a selector selects one of them, its text is unchanged.
_RAW_TEXT = frozenset({"script", "style", "textarea"})
_BLOCK_NAMES = (
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset "
    "figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing "
    "main menu nav ol optgroup option plaintext pre search section summary table tbody tfoot thead tr ul xmp"
)
#: Number of line breaks at the borders of elements that begin and end a line
#: (https://html.spec.whatwg.org/#flow-content-3). A row of a table is here, too.
_BLOCKS = dict.fromkeys(_BLOCK_NAMES.split(), 1) | {"p": 2}
_PREFORMATTED = frozenset({"listing", "plaintext", "pre", "xmp"})
_CELLS = frozenset({"td", "th"})
_RAISED = {
    "sup": str.maketrans("0123456789+-−()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾"),
    "sub": str.maketrans("0123456789+-−()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₍₎"),
}
_NOT_INLINE = _HIDDEN | _BLOCKS.keys() | _CELLS | _RAISED.keys() | {"br", "text", etree.Comment, etree.PI}
#: White space that is neither collapsed nor part of a number.
DIGITS_BORDER = "\x1f"
MAX_INLINE_DEPTH = 20  #: maximum nesting of inline elements that are rendered without a renderer
_SPACE = re.compile(r"[ \t\n\r\f]+")  # without U+00A0, which browsers do not collapse
_STYLE = re.compile(r"(?:^|;)\s*+(display|visibility|float|position)\s*+:\s*+([\w-]++)", re.IGNORECASE)
_INLINE_DISPLAYS = ("inline", "contents", "ruby")
#: Values of `display` with which each child is a block (https://www.w3.org/TR/css-display-3/#blockify).
_BLOCKIFYING = re.compile(r"(?:^|;)\s*+display\s*+:\s*+(?:inline-)?(?:flex|grid)\b", re.IGNORECASE)
_OWN_LINE = frozenset(
    {("float", "left"), ("float", "right"), ("position", "absolute"), ("position", "fixed")}
)


def rendered_text(element: Element, *, mark_raised: bool = False, split_digits: bool = False) -> str:
    r"""Return the text that a browser shows for an element.

    A `<br>` and the borders of a block are a line break (`\n`), the borders of a `<p>` are an empty line, and
    the cells of a row are separated by a tab. Scripts, styles and other hidden elements inside the element
    are left out. White space is collapsed, except inside `<pre>`.

    Args:
        element: an element of an HTML page. If it is itself an element that browsers hide, its text is
            returned nevertheless, because a selector has selected it.
        mark_raised: whether the digits and signs inside `<sup>` and `<sub>` become superscript and subscript
            characters. Otherwise `$19<sup>99</sup>` could not be distinguished from `$1999`.
        split_digits: whether digits in different elements are separated by `DIGITS_BORDER`. Style sheets
            often show the second element of `<b>19</b><i>99</i>` as decimals.
    """
    if element.tag in _RAW_TEXT:
        return "".join(element.itertext())
    if (
        element.tag not in _PREFORMATTED
        and element.tag not in _RAISED
        and element.get("style") is None
        and not (split_digits and len(element))
    ):
        texts = list[str]()
        if _append_inline_texts(element, texts):
            return _collapse("".join(texts))
    return _Renderer(element, mark_raised=mark_raised, split_digits=split_digits).render()


def _append_inline_texts(element: Element, texts: list[str], depth: int = 0) -> bool:
    """Append the texts of an element that contains only inline elements; return False for other elements.

    Most headings, links and paragraphs are such elements, and this takes half of a renderer's time.
    """
    texts.append(element.text or "")
    for child in element:
        if child.tag in _NOT_INLINE or child.get("style") or child.get("hidden") is not None:
            return False
        if len(child) == 0:
            texts.append(child.text or "")
        elif depth == MAX_INLINE_DEPTH or not _append_inline_texts(child, texts, depth + 1):
            return False
        texts.append(child.tail or "")
    return True


def _collapse(text: str) -> str:
    return _SPACE.sub(" ", text).strip(" ")


def _styled(node: Element, breaks: int) -> int | None:
    """Return the line breaks at the borders of an element; None if its attributes hide it.

    Args:
        node: the element.
        breaks: the line breaks at the borders of elements with its name.
    """
    if node.get("hidden") is not None or (node.tag == "dialog" and node.get("open") is None):
        return None
    written = node.get("style")
    if written is None:
        return breaks
    style = {name.lower(): value.lower() for name, value in _STYLE.findall(written)}
    display = style.get("display", "")
    if display == "none" or style.get("visibility") in {"hidden", "collapse"}:
        return None
    if display and not display.startswith(_INLINE_DISPLAYS):
        return breaks or 1
    if not _OWN_LINE.isdisjoint(style.items()):
        return breaks or 1
    return 0 if display else breaks


class _Renderer:
    """Renders one element, line by line.

    Args:
        element: the element.
        mark_raised, split_digits: see `rendered_text`.
    """

    def __init__(self, element: Element, *, mark_raised: bool, split_digits: bool) -> None:
        self._element = element
        self._split_digits = split_digits
        self._translations = _RAISED if mark_raised else {}
        self._parts: list[str] = []
        self._line: list[str] = []  # the texts of the line that is not finished yet
        self._breaks = 0  # number of line breaks that are needed before the next text
        self._open: list[tuple[Element, int]] = []  # open elements that change the text, with their breaks
        self._cell_ended = False  # whether a cell has ended, and its row goes on
        self._preformatted = 0  # number of open elements in which white space is kept
        self._blockified = set[Element]()  # the children of open elements with `display: flex` and the like
        self._raised = list[dict[int, int]]()  # the translations of the open <sup> and <sub>

    def render(self) -> str:
        """Return the text of the element."""
        element, line, opened, raised = self._element, self._line, self._open, self._raised
        blockified = self._blockified
        walk = etree.iterwalk(element, events=("start", "end", "comment", "pi"))
        for event, node in walk:
            if event == "start":
                inline = node.tag not in _NOT_INLINE and node.get("style") is None and node not in blockified
                if (not inline or node.get("hidden") is not None) and not self._start(node):
                    walk.skip_subtree()
                    continue
                text = node.text
                if text and node.tag in _PREFORMATTED:
                    text = text.removeprefix("\n")  # https://html.spec.whatwg.org/#the-pre-element
            else:
                if opened and opened[-1][0] is node:
                    self._end(node.tag)
                if node is element:
                    break
                text = node.tail
            if text:
                if self._split_digits and event in {"start", "end"} and node.tag != "wbr":
                    self._split(text)
                line.append(text.translate(raised[-1]) if raised else text)
        self._end_line()
        return "".join(self._parts)

    def _split(self, text: str) -> None:
        if self._line and self._line[-1][-1].isdigit() and text[0].isdigit():
            self._line.append(DIGITS_BORDER)

    def _start(self, node: Element) -> bool:
        """Begin an element that may change the text; return False if it is hidden."""
        tag = node.tag
        breaks = _styled(node, self._breaks_of(node))
        if node is not self._element and (breaks is None or tag in _HIDDEN):
            return False
        if breaks:
            self._end_line(breaks)
            self._preformatted += tag in _PREFORMATTED
        elif tag == "br":
            self._end_line()
            self._append("\n")
        elif tag in _CELLS:
            self._end_line()
            if _follows_a_cell(node):
                self._cell_ended = False
                self._append("\t")
        elif tag in self._translations:
            self._raised.append(self._translations[tag])
        style = node.get("style")
        if style is not None and _BLOCKIFYING.search(style):
            self._blockified.update(node)
        self._open.append((node, breaks or 0))
        return True

    def _breaks_of(self, node: Element) -> int:
        """Return the line breaks at the borders of an element, without its own attributes."""
        breaks = _BLOCKS.get(node.tag, 0)
        return breaks or int(node in self._blockified or (node.tag == "text" and _is_in_svg(node)))

    def _end(self, tag: str) -> None:
        _, breaks = self._open.pop()
        if breaks:
            self._end_line(breaks)
            self._preformatted -= tag in _PREFORMATTED
        elif tag in _CELLS:
            self._end_line()
            self._cell_ended = True
        elif tag in self._translations:
            self._raised.pop()

    def _end_line(self, breaks: int = 0) -> None:
        if self._line:
            text = "".join(self._line)
            self._line.clear()
            text = text if self._preformatted else _collapse(text)
            if text:
                self._append(text)
        self._breaks = max(self._breaks, breaks)

    def _append(self, text: str) -> None:
        if self._parts:
            text = ("\n" * self._breaks or "\t" * self._cell_ended) + text
        self._breaks, self._cell_ended = 0, False
        self._parts.append(text)


def _is_in_svg(node: Element) -> bool:
    return next(node.iterancestors("svg"), None) is not None


def _follows_a_cell(cell: Element) -> bool:
    before = cell.getprevious()
    while before is not None and not isinstance(before.tag, str):
        before = before.getprevious()
    return before is not None and before.tag in _CELLS
