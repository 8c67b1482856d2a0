"""Estimates the cost of an XPath expression on a page, and rejects expressions that cost too much. Pure.

If an expression has a sibling axis, libxml2 compares each node with each of its siblings. If the result
contains the siblings, each of them is also compared with the results so far. Measured:
`//b/following-sibling::b` takes 0.4 s with 1,000 siblings and 23 s with 4,000; `//b[following-sibling::i]`
takes 0.06 s with 4,000. An evaluation cannot be interrupted, so an expensive evaluation is not started.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from lxml import etree
from lxml.etree import _Element as Element

from contract.outcome import Reason
from extraction.errors import ExtractionError

#: Maximum depth of nested elements on a page for expressions that search the descendants of descendants. The
#: maximum in browsers is 512.
MAX_DEPTH = 256
#: For each exponent of the cost, the maximum number of nodes that are compared with each other. An evaluation
#: then takes at most about a second.
MAX_COMPARED_NODES = {2: 20_000, 3: 1_500}
_IS_DEEP = etree.XPath(f"boolean({'/*' * MAX_DEPTH})")  # takes 30 µs on a page of 1,000 elements
_DOWNWARDS = re.compile(r"//|descendant(?:-or-self)?::")
_TOKEN = re.compile(
    r"""
    "[^"]*" | '[^']*'                                                           # quoted text is skipped
  | (?P<open>\[) | (?P<close>\])
  | (?P<sibling>(?:following|preceding)-sibling::[^\s/\[\]()=|]*
        (?P<first>\s*\[\s*(?:1|position\(\)\s*=\s*1)\s*\])?)
  | (?P<order>(?:following|preceding)::[^\s/\[\]()=|]*)
  | (?P<absolute>(?<=[\[(|=<>,])\s*//?(?=[\w*@.]))
    """,
    re.VERBOSE,
)
_SIBLING_STEP = re.compile(r"(?:following|preceding)-sibling::[^\s/\[\]()=|]*")
_ANY_ELEMENT = re.compile(r"(?:^|[/\[(|,]|::)\s*(?:\*|node\(\)|\.\.)|\w:[\w*]")
_NAME = re.compile(
    r"""(?<![\w@:$.-])[A-Za-z_][\w.-]*(?!\s*\(|::|[\w.:-])|(?<=::)[A-Za-z_][\w.-]*(?!\s*\(|[\w.:-])"""
)


class QueryCost(NamedTuple):
    """The cost of an expression, which is the number of compared nodes to the power of `exponent`.

    Attributes:
        exponent: 2 or 3.
        names: names of the elements that are compared with their siblings, or `*` for elements of any name;
            None if all elements of the page are compared.
    """

    exponent: int
    names: frozenset[str] | None


class TreeSize(NamedTuple):
    """The size of a page.

    Attributes:
        elements: number of elements.
        siblings: for each name, the length of the longest list of siblings that contains an element of this
            name; the name `*` stands for all names.
    """

    elements: int
    siblings: dict[str, int]


@lru_cache(maxsize=4096)
def searches_twice(expression: str) -> bool:
    """Return whether an expression searches the descendants of descendants, for example `div p` in CSS."""
    return len(_DOWNWARDS.findall(expression)) > 1


def is_deep(root: Element) -> bool:
    """Return whether elements are nested `MAX_DEPTH` levels deep or deeper, as only on hostile pages."""
    return bool(_IS_DEEP(root.getroottree()))


@lru_cache(maxsize=4096)
def estimate_cost(expression: str) -> QueryCost | None:
    """Return the cost of an expression; None if its cost is proportional to the size of the page."""
    depth, exponent, siblings_only = 0, 1, True
    for token in _TOKEN.finditer(expression):
        kind = token.lastgroup if token.lastgroup != "first" else "sibling"
        depth += (kind == "open") - (kind == "close")
        if kind in {"sibling", "order"}:
            collects = depth == 0 and token["first"] is None
            exponent = max(exponent, 3 if collects or depth > 1 else 2)
        elif kind == "absolute" and depth:
            exponent = max(exponent, 3 if depth > 1 else 2)
        siblings_only = siblings_only and kind not in {"order", "absolute"}
    if exponent == 1:
        return None
    return QueryCost(exponent, _compared_names(expression) if siblings_only else None)


def _compared_names(expression: str) -> frozenset[str]:
    """Return the names of the elements that are compared with their siblings; `*` stands for all names."""
    rest = _SIBLING_STEP.sub("", re.sub(r"\"[^\"]*\"|'[^']*'", "''", expression))
    return frozenset({"*"}) if _ANY_ELEMENT.search(rest) else frozenset(_NAME.findall(rest))


def measure(root: Element) -> TreeSize:
    """Return the size of the tree below `root`."""
    elements, siblings = 0, dict[str, int]()
    for element in root.iter(etree.Element):
        elements += 1
        length = len(element)
        for name in {str(child.tag) for child in element}:
            siblings[name] = max(siblings.get(name, 0), length)
    siblings["*"] = max(siblings.values(), default=0)
    return TreeSize(elements, siblings)


def check(expression: str, cost: QueryCost, size: TreeSize) -> None:
    """Check that an expression compares few enough nodes on a page of this size.

    Raises:
        ExtractionError: `too_large`, if the expression compares more than `MAX_COMPARED_NODES`.
    """
    compared = size.elements
    if cost.names is not None:
        compared = max((size.siblings.get(name, 0) for name in cost.names), default=0)
    if compared > MAX_COMPARED_NODES[cost.exponent]:
        raise ExtractionError(
            Reason.TOO_LARGE,
            f"{expression} compares {compared} elements with each other; "
            f"the maximum is {MAX_COMPARED_NODES[cost.exponent]}",
        )
