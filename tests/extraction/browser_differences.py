"""Lists the differences between values of the saved pages and Chromium, each with its reason.

docs/decisions/text-as-browsers-show-it.md explains the reasons.
"""

#: For each reason, the pages and the selectors whose texts differ. `encoding` is the page's encoding.
DIFFERENCES = {
    "the page declares no encoding, and its bytes are valid UTF-8": {
        "article-frames": ["encoding"],
        "forum-topics": ["encoding"],
        "listing-script-state": ["encoding"],
        "listing-with-next": ["encoding"],
        "product-next-data": ["encoding", ".css-1x2y3z", "body", "div", "span"],
        "table-unclosed": ["encoding"],
    },
    "style sheets are not read": {
        "article-hidden-parts": [".upper", "body", "p"],
        "article-newsletter": [".up", "body", "p", "table", "td", "tr"],  # text-transform
        "documentation-libffi-basics": [
            ".copiable-anchor", ".def", ".section", "a", "body", "div", "dl", "dt", "span",
        ],
    },
    "a selector has selected the hidden element itself": {
        "article-hidden-parts": [".until", ".visible", "div", "span"],
        "hidden": ["i"],
        "product-form": ["textarea"],
    },
    "closed details are read, because a click shows them": {
        "documentation-code": ["body", "details"],
        "product-arabic": [".item", "body", "details", "p", "section"],
    },
    "white space at the borders of a button is kept": {"product-form": [".end", "body", "div"]},
    "a formula is one line": {"documentation-formulas": ["body", "p"]},
    "selectors also find elements inside <template> and <noscript>": {
        "article-hidden-parts": ["p", "img[src]"],
        "listing-cards": [".card", "article", "h3"],
    },
    "libxml2 builds another tree of invalid markup": {
        "article-misnested": [
            ".eight", ".eleven", ".seven", "b", "body", "button", "div", "em", "form", "h2", "i", "p",
        ],
        "product-json-ld-graph": ["a", "li", "a[href]"],
        "table-with-strays": [".t", ".wrap", "body", "div", "form", "table", "tr"],
    },
    "libxml2 inserts no <tbody> and no <tr>": {
        "table-nested": ["tr"],
        "table-with-strays": ["tr", ".u > tr"],
    },
    "an empty attribute is no value": {
        "article-python-appetite": ["a[href]"],
        "documentation-python-sched": ["a[href]"],
        "listing-links": ["a[href]"],
        "listing-python-index-k": ["a[href]"],
    },
    "Chromium encodes `|` and `^` in a path": {"listing-links": ["a[href]"]},
}  # fmt: skip
#: The pairs of a page and a selector whose values differ.
EXPLAINED = {
    (page, selector)
    for pages in DIFFERENCES.values()
    for page, selectors in pages.items()
    for selector in selectors
}
