"""Draws recipes in XPath, CSS, regular expressions and JMESPath; most of them are expensive on some page."""

from typing import Any

from hypothesis import strategies as st

from contract.selectors import MAX_SELECTOR_CHARACTERS

_AXIS_NAMES = (
    "ancestor ancestor-or-self attribute child descendant descendant-or-self following following-sibling "
    "namespace parent preceding preceding-sibling self"
)
_AXES = _AXIS_NAMES.split()
_NODE_TESTS = ["*", "a", "b", "i", "p", "li", "td", "div", "node()", "text()", "comment()"]
_COMPARISONS = ["=", "!=", "<", ">", "<=", ">=", "and", "or", "|", "+", "-", "*", "div", "mod"]


def _joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


def _call(names: list[str], *arguments: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(names), st.tuples(*arguments)).map(
        lambda call: f"{call[0]}({', '.join(call[1])})"
    )


def _xpath(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    step = _joined(st.sampled_from(_AXES), st.just("::"), st.sampled_from(_NODE_TESTS))
    predicate = inner.map(lambda text: f"[{text}]")
    path = st.lists(_joined(step, predicate | st.just("")), min_size=1, max_size=4).map("/".join)
    return st.one_of(
        _joined(st.sampled_from(["", "//", "/", "../"]), path),
        st.tuples(inner, st.sampled_from(_COMPARISONS), inner).map(lambda parts: f"({' '.join(parts)})"),
        _call(["count", "sum", "not", "string", "name", "number", "string-length", "normalize-space"], inner),
        _call(
            ["contains", "starts-with", "concat", "substring-after", "set:distinct", "re:test"], inner, inner
        ),
        _call(["set:difference", "set:intersection", "set:has-same-node", "set:leading"], inner, inner),
        _call(["translate", "substring", "concat"], inner, inner, inner),
    )


def _css(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pseudo = st.sampled_from(["not", "is", "where", "has"])
    return st.one_of(
        st.tuples(inner, st.sampled_from([" ", " > ", " + ", " ~ ", ", "]), inner).map("".join),
        st.tuples(inner, pseudo, inner).map(lambda parts: f"{parts[0]}:{parts[1]}({parts[2]})"),
        st.tuples(inner, st.sampled_from(["nth-child", "nth-last-of-type"])).map(
            lambda parts: f"{parts[0]}:{parts[1]}(2n+1)"
        ),
        inner.map(lambda text: f"{text}[class~=a]"),
        inner.map(lambda text: f"{text}::attr(href)"),
        inner.map(lambda text: f"{text}::text"),
    )


def _pattern(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["*", "+", "?", "*?", "{2,9}", "{1,}", "++"])).map(
            lambda parts: f"(?:{parts[0]}){parts[1]}"
        ),
        st.tuples(inner, inner).map(lambda parts: f"(?:{parts[0]}|{parts[1]})"),
        st.lists(inner, min_size=2, max_size=3).map("".join),
        inner.map(lambda text: f"(?={text})"),
        inner.map(lambda text: f"(?i:{text})"),
        inner.map(lambda text: f"{text}$"),
    )


def _jmespath(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["[]", "[*]", ".*", "[::-1]", "[0]", ".a"])).map("".join),
        st.tuples(inner, inner).map(lambda parts: f"{parts[0]} | {parts[1]}"),
        st.tuples(inner, inner, inner).map(lambda parts: f"{parts[0]}[?{parts[1]} == {parts[2]}]"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
        _call(["to_string", "keys", "values", "sort", "length", "reverse", "not_null", "to_array"], inner),
        _call(["map", "sort_by", "max_by"], inner.map(lambda text: f"&{text}"), inner),
        _call(["join", "contains", "starts_with", "merge"], inner, inner),
    )


def _selectors(base: list[str], extend: Any) -> st.SearchStrategy[str]:  # noqa: ANN401 - a function of strategies
    return st.recursive(st.sampled_from(base), extend, max_leaves=8).filter(
        lambda text: len(text) <= MAX_SELECTOR_CHARACTERS
    )


XPATHS = _selectors(["//*", "//@*", "..", ".", "1", "'a'", "last()", "position()", "//a/@href"], _xpath)
CSS = _selectors(["*", "a", "b", "p", "li", ".a", "#x", "[href]", "td:first-child"], _css)
PATTERNS = _selectors(["a", "1", r"\d", r"\s", ".", r"\w+", "[^a]", "(?s:.)", r"\b", "^"], _pattern)
JMESPATHS = _selectors(["@", "a", "[]", "[*]", "`1`", "'a'", "*"], _jmespath)


@st.composite
def fields(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the recipe of one field."""
    language = draw(st.sampled_from(["xpath", "css", "re", "jmespath"]))
    field: dict[str, Any] = {
        "many": draw(st.booleans()),
        "type": draw(st.sampled_from(["text", "text", "number", "date", "html", "url", "integer"])),
    }
    if language == "xpath":
        field["xpath"] = draw(XPATHS)
    elif language == "jmespath":
        field["jmespath"] = draw(JMESPATHS)
    else:
        field["css"] = draw(CSS) if language == "css" else draw(st.sampled_from(["p", "*", "body"]))
    if language == "re":
        field["re"] = draw(PATTERNS)
    return field
