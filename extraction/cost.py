"""What an XPath expression costs on a large page. Pure.

libxml2 compares each node with each sibling where an expression goes along siblings, and once more with each
found where it collects them. Measured: `//b/following-sibling::b` takes 0.4 s among 1,000 siblings and 23 s
among 4,000; `//b[following-sibling::i]` takes 0.06 s among 4,000. Nothing interrupts it, so it is not begun.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from lxml import etree
from lxml.etree import _Element as Element

from contract.outcome import Reason
from extraction.errors import ExtractionError

MAX_DEPTH = (
    256  #: elements inside each other, on a page that is searched downwards twice; browsers stop at 512
)
_DEEP = etree.XPath(f"boolean({'/*' * MAX_DEPTH})")  # 30 µs on a page of 1,000 elements
_DOWNWARDS = re.compile(r"//|descendant(?:-or-self)?::")
MAX_COMPARED = {2: 20_000, 3: 1_500}  #: nodes, by how often each is compared with each; about a second
_TOKEN = re.compile(
    r"""
    "[^"]*" | '[^']*'                                                           # what is quoted is no axis
  | (?P<open>\[) | (?P<close>\])
  | (?P<sibling>(?:following|preceding)-sibling::[^\s/\[\]()=|]*
        (?P<first>\s*\[\s*(?:1|position\(\)\s*=\s*1)\s*\])?)
  | (?P<order>(?:following|preceding)::[^\s/\[\]()=|]*)
  | (?P<absolute>(?<=[\[(|=<>,])\s*//?(?=[\w*@.]))
    """,
    re.VERBOSE,
)


_ALONG = re.compile(r"(?:following|preceding)-sibling::[^\s/\[\]()=|]*")
_ANYTHING = re.compile(r"(?:^|[/\[(|,]|::)\s*(?:\*|node\(\)|\.\.)|\w:[\w*]")
_NAME = re.compile(
    r"""(?<![\w@:$.-])[A-Za-z_][\w.-]*(?!\s*\(|::|[\w.:-])|(?<=::)[A-Za-z_][\w.-]*(?!\s*\(|[\w.:-])"""
)


class Price(NamedTuple):
    """How often each node is compared with each, and which: with siblings of these names, or all (None)."""

    power: int
    names: frozenset[str] | None


class Size(NamedTuple):
    """How many elements a page has, and in how long a list of siblings each name stands."""

    elements: int
    siblings: dict[str, int]


@lru_cache(maxsize=4096)
def searches_twice(expression: str) -> bool:
    """Return whether an expression searches below what it found by searching, as `div p` does."""
    return len(_DOWNWARDS.findall(expression)) > 1


def is_deep(root: Element) -> bool:
    """Return whether a page's elements are nested as no page's are that somebody reads."""
    return bool(_DEEP(root.getroottree()))


@lru_cache(maxsize=4096)
def price_of(expression: str) -> Price | None:
    """Return what an expression costs; None where that is in proportion to the page."""
    depth, power, siblings_only = 0, 1, True
    for token in _TOKEN.finditer(expression):
        kind = token.lastgroup if token.lastgroup != "first" else "sibling"
        depth += (kind == "open") - (kind == "close")
        if kind in {"sibling", "order"}:
            collects = depth == 0 and token["first"] is None
            power = max(power, 3 if collects or depth > 1 else 2)
        elif kind == "absolute" and depth:
            power = max(power, 3 if depth > 1 else 2)
        siblings_only = siblings_only and kind not in {"order", "absolute"}
    if power == 1:
        return None
    return Price(power, _names(expression) if siblings_only else None)


def _names(expression: str) -> frozenset[str]:
    """Return the names of elements from which an expression goes along siblings; `*` for any."""
    rest = _ALONG.sub("", re.sub(r"\"[^\"]*\"|'[^']*'", "''", expression))
    return frozenset({"*"}) if _ANYTHING.search(rest) else frozenset(_NAME.findall(rest))


def measure(root: Element) -> Size:
    """Return a page's size."""
    elements, siblings = 0, dict[str, int]()
    for element in root.iter(etree.Element):
        elements += 1
        length = len(element)
        for name in {str(child.tag) for child in element}:
            siblings[name] = max(siblings.get(name, 0), length)
    siblings["*"] = max(siblings.values(), default=0)
    return Size(elements, siblings)


def check(expression: str, price: Price, size: Size) -> None:
    """Raise ExtractionError where an expression would compare too many nodes with each other."""
    compared = size.elements
    if price.names is not None:
        compared = max((size.siblings.get(name, 0) for name in price.names), default=0)
    if compared > MAX_COMPARED[price.power]:
        raise ExtractionError(
            Reason.TOO_LARGE,
            f"{expression} compares {compared} elements with each other; "
            f"at most {MAX_COMPARED[price.power]} are compared",
        )
