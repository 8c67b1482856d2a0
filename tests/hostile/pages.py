"""Writes pages of a few megabytes that are expensive to parse, to search or to convert.

Each function returns a page of at most `size` bytes.
"""

import json
from collections.abc import Callable
from typing import NamedTuple

HTML = "text/html; charset=utf-8"
JSON = "application/json"
XML = "application/xml"


class HostilePage(NamedTuple):
    """A page.

    Attributes:
        content_type: the value of the header field Content-Type.
        body: the page.
    """

    content_type: str
    body: bytes


def repeated(
    size: int, part: str, before: str = "", after: str = "", content_type: str = HTML
) -> HostilePage:
    """Return a page that repeats a part until it has nearly `size` bytes."""
    count = (size - len(before.encode()) - len(after.encode())) // len(part.encode())
    return HostilePage(content_type, (before + part * count + after).encode())


def numbered(
    size: int, part: str, before: str = "", after: str = "", content_type: str = HTML
) -> HostilePage:
    """Return a page that repeats a part in which each `%d` is replaced by the number of the repetition."""
    places, parts, length = part.count("%d"), list[str](), len(before) + len(after)
    while length < size - 100:
        parts.append(part % ((len(parts),) * places))
        length += len(parts[-1])
    return HostilePage(content_type, (before + "".join(parts) + after).encode())


def nested(size: int, depth: int, tag: str = "div", text: str = "x") -> HostilePage:
    """Return a page of nested elements around a text that fills the page."""
    markup = f"<{tag}>" * depth
    return HostilePage(HTML, (markup + text * ((size - len(markup)) // len(text))).encode())


def _json_ld(graph: list[dict[str, object]]) -> HostilePage:
    text = json.dumps({"@graph": graph}, separators=(",", ":"))
    return HostilePage(HTML, f'<script type="application/ld+json">{text}</script>'.encode())


def _references(size: int) -> HostilePage:
    """Return JSON-LD in which each node refers to every node."""
    nodes = int((size / 16) ** 0.5)
    everything = [{"@id": f"#{number}"} for number in range(nodes)]
    graph: list[dict[str, object]] = [
        {"@id": f"#{number}", "@type": "Product", "offers": everything} for number in range(nodes)
    ]
    return _json_ld(graph)


def _same_node(size: int) -> HostilePage:
    """Return JSON-LD with very many objects of one node, whose properties differ."""
    objects = size // 65
    return _json_ld(
        [
            {"@id": "#1", "@type": "Product", "name": f"n{number}", f"p{number}": 1}
            for number in range(objects)
        ]
    )


def _nested_json_ld(depth: int) -> HostilePage:
    """Return JSON-LD of two objects of one node whose properties are lists inside lists."""
    lists = ["[" * depth + last + "]" * depth for last in "12"]
    text = ",".join(f'{{"@id":"#1","@type":"Product","name":{each}}}' for each in lists)
    return HostilePage(HTML, f'<script type="application/ld+json">[{text}]</script>'.encode())


def _entities() -> HostilePage:
    """Return XML whose entities expand to gigabytes ("billion laughs")."""
    lines = [f'<!ENTITY a{n} "{f"&a{n - 1};" * 100}">' for n in range(1, 9)]
    declarations = '<!ENTITY a0 "aaaaaaaaaa">' + "".join(lines)
    return HostilePage(XML, f"<!DOCTYPE r [{declarations}]><r><title>&a8;</title></r>".encode())


PAGES: dict[str, Callable[[int], HostilePage]] = {
    "flat images": lambda size: repeated(size, "<img src=a>", "<p>"),
    "flat inline elements": lambda size: repeated(size, "<i>a</i>"),
    "many paragraphs": lambda size: repeated(size, "<p>a"),
    "many links": lambda size: numbered(size, "<a href=/%d>a</a>"),
    "many items": lambda size: repeated(size, "<li><b>1</b>", "<ul>"),
    "ten thousand items": lambda _size: HostilePage(
        HTML, ("<ul>" + "<li><b>1</b><i>2</i>" * 10_000).encode()
    ),
    "table": lambda size: repeated(size, "<tr><td>1<td>2<td>3", "<table>"),
    "many ids": lambda size: numbered(size, "<i id=%d>"),
    "nested blocks of much text": lambda size: nested(size, 250),
    "nested inline elements of much text": lambda size: nested(size, 2000, "b"),
    "deep nesting": lambda size: repeated(size, "<div>"),
    "deep nesting of lists": lambda size: repeated(size, "<ul><li>"),
    "deep nesting of spans in tables": lambda size: repeated(size, "<table><tr><td>"),
    "formatting elements that are never closed": lambda size: repeated(size, "<b><i><p>"),
    "end tags that close nothing": lambda size: repeated(size, "</b>", "<div>" * 2040),
    "very many attributes": lambda size: numbered(size, "a%d ", "<a ", ">"),
    "one attribute, repeated": lambda size: repeated(size, "a=1 ", "<a ", ">"),
    "a long attribute": lambda size: repeated(size, "a", '<a href="', '">'),
    "a long class": lambda size: repeated(size, "a ", '<a class="', '">x</a>'),
    "many classes": lambda size: repeated(size, "<i class='a b c d e f g h'></i>"),
    "unclosed tags": lambda size: repeated(size, "<a b=\"<a b='"),
    "unclosed comments": lambda size: repeated(size, "<!-- <"),
    "many comments": lambda size: repeated(size, "<!--a-->"),
    "many texts between comments": lambda size: repeated(size, "a<!---->", "<p>"),
    "character references": lambda size: repeated(size, "&notit;&#x110000;&amp"),
    "many bodies": lambda size: repeated(size, "<body></html><html><head>a"),
    "digits": lambda size: repeated(size, "1", "<p>"),
    "digits and separators": lambda size: repeated(size, "1,234.", "<p>"),
    "letters": lambda size: repeated(size, "a", "<p>", "!"),
    "spaces": lambda size: repeated(size, " ", "<pre>x", "x</pre>"),
    "lines": lambda size: repeated(size, "a\n", "<pre>"),
    "words that begin dates": lambda size: repeated(size, "1 January ", "<p>"),
    "dates": lambda size: repeated(size, "2026-11-22T06:00:00+01:00 ", "<p>"),
    "line breaks": lambda size: repeated(size, "a<br>", "<p>"),
    "raised digits": lambda size: repeated(size, "1<sup>2</sup>", "<p>"),
    "styled elements": lambda size: repeated(size, "<b style='a:b;display:none;float:left'>a</b>", "<p>"),
    "metas": lambda size: repeated(size, "<meta name=a content=b>"),
    "a long style": lambda size: repeated(size, " ", "<p style='", "'>a"),
    "base elements": lambda size: repeated(size, "<base>"),
    "JSON objects": lambda size: repeated(size, '{"a":1},', "[", "{}]", JSON),
    "small JSON objects": lambda size: repeated(size, "{},", "[", "{}]", JSON),
    "JSON lists": lambda size: repeated(size, "[1],", "[", "[]]", JSON),
    "deep JSON": lambda size: repeated(size, "[", content_type=JSON),
    "JSON keys": lambda size: numbered(size, '"k%d":%d,', "{", '"k":0}', JSON),
    "JSON strings": lambda size: numbered(size, '"%d",', "[", '""]', JSON),
    "a long JSON number": lambda size: repeated(size, "1", "[", "]", JSON),
    "JSON surrogates": lambda size: repeated(size, '"\\ud800",', "[", '"\\u0000"]', JSON),
    "JSON-LD references": _references,
    "JSON-LD objects of one node": _same_node,
    "JSON-LD that is nested deeply": lambda _size: _nested_json_ld(960),
    "JSON-LD comments": lambda size: repeated(size, "/*", '<script type="application/ld+json">', "</script>"),
    "JSON-LD blocks": lambda size: repeated(size, "<script type='application/ld+json'>[{</script>"),
    "scripts": lambda size: repeated(size, "<script>{}</script>"),
    "XML elements": lambda size: repeated(size, "<a/>", "<r>", "</r>", XML),
    "XML namespaces": lambda size: numbered(size, "<a xmlns:p%d='u:%d'/>", "<r>", "</r>", XML),
    "XML nested in namespaces": lambda size: numbered(size, "<p:a xmlns:p='u:%d'>", "<r>", "", XML),
    "XML attributes": lambda size: numbered(size, "a%d='' ", "<r ", "/>", XML),
    "XML ampersands": lambda size: repeated(size, "&", "<r>", "</r>", XML),
    "XML unclosed CDATA": lambda size: repeated(size, "<![CDATA[", "<r>", "", XML),
    "XML entities": lambda _size: _entities(),
    "UTF-16 without a mark": lambda size: HostilePage(
        "text/html; charset=utf-16", b"<\0p\0>\0" + b"\0\xd8" * (size // 2 - 4)
    ),
    "ISO-2022-JP escapes": lambda size: HostilePage(
        "text/html; charset=iso-2022-jp", b"\x1b$B\x1b(B" * (size // 6)
    ),
    "GB 18030": lambda size: HostilePage(
        "text/html; charset=gb18030", b"<p>" + b"\x810\x810" * (size // 4 - 1)
    ),
    "invalid UTF-8": lambda size: HostilePage(HTML, b"<p>" + b"\xed\xa0\x80\xff" * (size // 4 - 1)),
    "emoji": lambda size: repeated(size, "😀", "<p>"),
    "NUL": lambda size: repeated(size, "\0<p>\0"),
    "meta prescan": lambda size: HostilePage("text/html", b"<meta charset=" * (size // 14)),
}
