"""Builds SVG and HTML elements. The serializer escapes texts and attributes, so no text is markup. Pure."""

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from console.terminal import printable

Element = ET.Element


def element(tag: str, *children: Element | str, **attributes: float | str) -> Element:
    """Return an element.

    Args:
        tag: name of the element.
        children: elements, and texts as by `printable`.
        attributes: an underscore in a name is a hyphen, except at its end, which is cut off (`class_`).
    """
    made = ET.Element(tag)
    for name, value in attributes.items():
        made.set(name.rstrip("_").replace("_", "-"), _text(value))
    last: Element | None = None
    for child in children:
        if isinstance(child, str):
            text = printable(child)
            if last is None:
                made.text = (made.text or "") + text
            else:
                last.tail = (last.tail or "") + text
        else:
            made.append(child)
            last = child
    return made


def markup(made: Element) -> str:
    """Return an element as markup that is valid in HTML, and as XML."""
    return ET.tostring(made, encoding="unicode", short_empty_elements=False)


def html_table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Element:
    """Return a table; the first cell of a row is its heading."""
    body = element("tbody")
    for first, *others in rows:
        body.append(
            element("tr", element("th", first, scope="row"), *(element("td", text) for text in others))
        )
    head = element("tr", *(element("th", text, scope="col") for text in headings))
    return element("table", element("thead", head), body)


def _text(value: float | str) -> str:
    if isinstance(value, str):
        return printable(value)
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
