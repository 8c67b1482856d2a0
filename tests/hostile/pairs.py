"""Lists recipes with pages on which they take long or need much memory."""

from typing import Any, NamedTuple

Field = dict[str, Any]


class HostilePair(NamedTuple):
    """A recipe, and a page on which it is expensive.

    Attributes:
        page: a key of `pages.PAGES`.
        recipe: the recipe, without its name.
    """

    page: str
    recipe: dict[str, Any]

    @property
    def name(self) -> str:
        """The page, and the part of the recipe that is evaluated on it."""
        fields = str(self.recipe).replace("'", "")
        return f"{self.page}: {fields[:100]}"


def value(page: str, **field: Any) -> HostilePair:  # noqa: ANN401 - the keys of a field have different types
    """Return a page with a recipe of one field, `value`."""
    return HostilePair(page, {"fields": {"value": field}})


def xml(pair: HostilePair) -> HostilePair:
    """Return the pair with a recipe for XML."""
    return pair._replace(recipe={"markup": "xml", **pair.recipe})


def listing(page: str, items: str, **field: Any) -> HostilePair:  # noqa: ANN401 - as in `value`
    """Return a page with a recipe of many items with one field, `value`."""
    return HostilePair(page, {"items": items, "fields": {"value": field}})


_MANY_FIELDS = {f"f{number}": {"css": "b"} for number in range(99)} | {"value": {"xpath": "count(//*)"}}
_SOURCES = [{"xpath": f"//*[.='{number}']"} for number in range(10)]

PAIRS = [
    # selectors
    value("flat images", css="p img::attr(src)"),
    value("flat images", css="img ~ img ~ img", many=True),
    value("flat inline elements", xpath="//i/.."),
    value("flat inline elements", xpath="//i/preceding-sibling::i/following-sibling::i"),
    value("flat inline elements", css="i:nth-last-of-type(3n+1)"),
    value("many paragraphs", xpath="//p[count(preceding::p) > count(following::p)]"),
    value("many paragraphs", xpath="//p[//p = following::p]"),
    value("many paragraphs", xpath="//*[contains(., 'b')]//*[contains(., 'c')]"),
    value("many links", xpath="//a[@href = //a/@href and not(@href = preceding::a/@href)]"),
    value("many links", xpath="set:distinct(//a/@href)", many=True),
    value("many links", xpath="set:intersection(//a, set:difference(//a, //a[1]))"),
    value("many links", xpath="//a[re:test(@href, '^(/|/?)+[^0-9]$')]"),
    value("many ids", xpath="id(//@id)", many=True),
    value("many items", xpath="//li[li[li] or count(ancestor::*/descendant::b) = 0]"),
    value("table", xpath="//td[position() = last() - count(../following-sibling::tr)]"),
    value("table", css="tr:not(:has(td + td + td)) td", many=True),
    value("many classes", css=".a.b.c.d.e.f.g.h ~ .h.g.f.e.d.c.b.a", many=True),
    value("a long class", xpath="//a[contains(concat(' ', normalize-space(@class), ' '), ' b ')]"),
    value("many comments", xpath="//comment()/following::comment()/.."),
    value("many texts between comments", xpath="//text()[count(preceding::text()) mod 2]", many=True),
    value("deep nesting", xpath="//div[count(ancestor::div) = count(descendant::div)]"),
    value("nested inline elements of much text", xpath="//b[contains(., 'y')]"),
    value("nested inline elements of much text", xpath="string(//b[string-length(.) = 1])"),
    value("letters", xpath="translate(concat(//p, //p, //p, //p), 'abc', 'xyz')"),
    # patterns
    value("digits", css="p", re=r"(\d+) EUR", many=True),
    value("letters", css="p", re=r"^(?:a|aa)+$"),
    value("spaces", css="pre", re=r"\s+$"),
    value("lines", css="pre", re=r"(?s)(?:.*\n)*b", many=True),
    value("letters", css="p", re=r"(?i)(?=(a+))a*b"),
    # JSON
    value("small JSON objects", jmespath="[?a == b].{c: d, e: f}"),
    value("small JSON objects", jmespath="sort_by(@, &to_string(@))[*].[a, b, c, d]"),
    value("JSON objects", jmespath="map(&to_string(@), @)", many=True),
    value("JSON objects", jmespath="[?length(to_string(@)) == `0`] | [*].a"),
    value("JSON lists", jmespath="[][][][] | sort(@) | reverse(@) | join('', map(&to_string(@), @))"),
    value("JSON keys", jmespath="[*, keys(@), values(@), merge(@, @)]", many=True),
    value("JSON strings", jmespath="[?contains(join(',', `[1]`), @)]", many=True),
    value("JSON strings", jmespath="@", many=True, type="date"),
    value("deep JSON", jmespath="[0][0]"),
    value("JSON surrogates", jmespath="@", many=True),
    value("a long JSON number", jmespath="[0]", type="integer"),
    value("JSON-LD references", jsonld="Product.offers.offers.offers.offers", many=True),
    value("JSON-LD objects of one node", jsonld="Product.name", many=True),
    value("JSON-LD that is nested deeply", jsonld="Product.name"),
    value("JSON-LD comments", jsonld="Product.name"),
    value("JSON-LD blocks", jsonld="Product"),
    value("scripts", css="script", jmespath="a", many=True),
    # conversions and transforms
    value("nested blocks of much text", css="div", many=True, transforms=["strip"]),
    value("nested blocks of much text", css="div", many=True),
    value("nested inline elements of much text", css="b", type="html", many=True),
    value("many paragraphs", css="p", many=True, transforms=["upper", {"join": "-" * 100}, {"split": "-"}]),
    value("letters", css="p", transforms=[{"replace": {"a": "b" * 100}}, "lower"]),
    value("digits", css="p", type="integer"),
    value("digits and separators", css="p", type="number", locale="de"),
    value("words that begin dates", css="p", type="date"),
    value("dates", css="p", type="datetime", many=True),
    value("raised digits", css="p", type="number"),
    value("styled elements", css="p, p b", many=True),
    value("a long style", css="p"),
    value("a long attribute", css="a::attr(href)", type="url"),
    # parsing
    value("very many attributes", css="a"),
    value("deep nesting of spans in tables", css="td td td", many=True),
    value("formatting elements that are never closed", css="p", many=True),
    value("end tags that close nothing", css="div"),
    value("many bodies", css="body", many=True),
    value("character references", css="body"),
    value("unclosed tags", css="a"),
    value("metas", meta="a", many=True),
    xml(value("XML elements", xpath="//a[last()]/preceding::a[1]", required=True)),
    xml(value("XML namespaces", xpath="//namespace::*", many=True)),
    xml(value("XML nested in namespaces", xpath="//*", many=True)),
    xml(value("XML attributes", xpath="//@*", many=True)),
    xml(value("XML ampersands", xpath="string(/r)")),
    xml(value("XML unclosed CDATA", xpath="string(/r)")),
    xml(value("XML entities", css="title", required=True)),
    # encodings
    value("UTF-16 without a mark", css="p"),
    value("ISO-2022-JP escapes", css="p"),
    value("GB 18030", css="p", transforms=["upper"]),
    value("invalid UTF-8", css="p", re=r"(?:.\ufffd)+$"),
    value("emoji", css="p", type="html"),
    value("NUL", css="p", many=True),
    value("meta prescan", css="meta::attr(charset)"),
    # items, sources and links
    listing("many items", "li", xpath="//b"),
    listing("ten thousand items", "li", xpath="//li[.=1]", many=True),
    HostilePair("ten thousand items", {"items": "li", "fields": _MANY_FIELDS}),
    value("many paragraphs", sources=_SOURCES, required=True),
    HostilePair(
        "many links",
        {"fields": {"value": {"css": "i"}}, "next": {"xpath": "//a[count(preceding::a) = 99999999]"}},
    ),
    HostilePair(
        "letters", {"fields": {"value": {"css": "i"}}, "next": {"css": "p", "re": "(a|aa)+$"}, "max_pages": 3}
    ),
]
