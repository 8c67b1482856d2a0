"""Makes the pages of the demo's site from `shop.yaml`. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from typing import Any, NamedTuple

import yaml

PRODUCTS_PER_LISTING = 4  #: number of products on one listing page
SECTIONS = {"books": "Books", "instruments": "Instruments"}
IMAGE = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"><rect width="4" height="3"/></svg>'


@dataclass(frozen=True)
class Page:
    """The site's response to a request.

    Attributes:
        body: the body.
        content_type: value of the Content-Type header.
        status: HTTP status.
        headers: headers other than Content-Type.
        fails: `first` if the first request gets a 500 instead, `always` if every request does, else `""`.
    """

    body: bytes
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    fails: str = ""


def load_shop() -> dict[str, Any]:
    """Read the shop's data."""
    return dict(yaml.safe_load((resources.files("console.demo") / "shop.yaml").read_text("utf-8")))


def site_pages(shop: dict[str, Any], address: str) -> dict[str, Page]:
    """Return a dict of the pages by path, including robots.txt and sitemap.xml.

    Args:
        shop: data of the shop, from `load_shop`.
        address: address of the site, for example `http://127.0.0.1:8000`.
    """
    pages = {"/": _index(shop), "/shipping": _shipping(shop), "/about": _about(shop)}
    for section in SECTIONS:
        pages |= _listings(shop, section)
    for product in shop["products"]:
        pages |= _product_pages(shop, product)
    for article in shop["articles"]:
        pages[f"/notes/{article['id']}"] = _article(shop, article)
    unlisted = {f"/products/{product['id']}" for product in shop["products"] if "listed_as" in product}
    listed = [address + path for path in pages if path not in unlisted]
    return pages | {
        "/images/cover.svg": Page(IMAGE, "image/svg+xml"),
        "/sitemap.xml": Page(_sitemap(listed).encode(), "application/xml"),
        "/robots.txt": Page(
            f"User-agent: *\nDisallow: /basket\n\nSitemap: {address}/sitemap.xml\n".encode(), "text/plain"
        ),
    }


class _Head(NamedTuple):
    title: str
    about: str
    lang: str = "en"
    charset: str = ""  #: encoding that a meta element declares; "" if the Content-Type header declares it

    def html(self, shop_name: str) -> str:
        type_ = f'<meta http-equiv="Content-Type" content="text/html; charset={self.charset}">\n'
        return f"""<!DOCTYPE html>
<html lang="{self.lang}"{' dir="rtl"' if self.lang == "ar" else ""}>
<head>
{type_ if self.charset else ""}<title>{escape(self.title)} | {escape(shop_name)}</title>
<meta name="description" content="{escape(self.about)}">
</head>
"""


def _html(shop: dict[str, Any], head: _Head, body: str) -> str:
    name, tagline = shop["shop"]["name"], shop["shop"]["tagline"]
    return f"""{head.html(name)}<body>
{body}
<footer><p>{escape(name)}. {escape(tagline)}.</p></footer>
</body>
</html>
"""


def _breadcrumbs(*steps: tuple[str, str]) -> str:
    links = " &rsaquo; ".join(
        f'<a href="{path}">{escape(name)}</a>' for path, name in [("/", "Home"), *steps]
    )
    return f'<nav class="breadcrumbs">{links}</nav>'


def _listing(entries: Iterable[tuple[str, str, str]]) -> str:
    items = "\n".join(
        f'<li><h2><a href="{path}">{escape(title)}</a></h2><p class="teaser">{escape(line)}</p></li>'
        for path, title, line in entries
    )
    return f'<ul class="listing">\n{items}\n</ul>'


def _index(shop: dict[str, Any]) -> Page:
    tagline = shop["shop"]["tagline"]
    notes = [(f"/notes/{note['id']}", note["title"], note["about"]) for note in shop["articles"]]
    sections = [(f"/{section}", name, f"All our {name.lower()}") for section, name in SECTIONS.items()]
    body = f"<h1>{escape(shop['shop']['name'])}</h1>\n<p>{escape(tagline)}</p>\n{_listing(sections + notes)}"
    return Page(_html(shop, _Head("Welcome", tagline), body).encode())


def _listings(shop: dict[str, Any], section: str) -> dict[str, Page]:
    entries = [
        (product.get("listed_as", f"/products/{product['id']}"), product["title"], product["price"])
        for product in shop["products"]
        if product["section"] == section
    ]
    parts = [
        entries[start : start + PRODUCTS_PER_LISTING]
        for start in range(0, len(entries), PRODUCTS_PER_LISTING)
    ]
    return {
        _listing_path(section, number): _listing_page(shop, section, number, len(parts), part)
        for number, part in enumerate(parts, start=1)
    }


def _listing_path(section: str, number: int) -> str:
    return f"/{section}" if number == 1 else f"/{section}/page-{number}"


def _listing_page(
    shop: dict[str, Any], section: str, number: int, last: int, entries: list[tuple[str, str, str]]
) -> Page:
    name = SECTIONS[section]
    title = name if number == 1 else f"{name}, page {number}"
    more = f'<a rel="next" href="{_listing_path(section, number + 1)}">Next page</a>' if number < last else ""
    body = (
        f"{_breadcrumbs((f'/{section}', name))}\n<h1>{escape(title)}</h1>\n{_listing(entries)}\n<p>{more}</p>"
    )
    return Page(_html(shop, _Head(title, f"{name} from our shelves, {number} of {last}."), body).encode())


def _product_pages(shop: dict[str, Any], product: dict[str, Any]) -> dict[str, Page]:
    path = f"/products/{product['id']}"
    pages = {path: _product(shop, product)}
    if "listed_as" in product:
        pages[product["listed_as"]] = Page(b"", status=301, headers={"Location": path})
    return pages


def _product(shop: dict[str, Any], product: dict[str, Any]) -> Page:
    section = product["section"]
    breadcrumbs = _breadcrumbs(
        (f"/{section}", SECTIONS[section]), (f"/products/{product['id']}", product["title"])
    )
    body = f"""{breadcrumbs}
<div itemscope itemtype="https://schema.org/Product">
<h1 itemprop="name">{escape(product["title"])}</h1>
<img itemprop="image" src="../images/cover.svg" alt="">
<p>by <span itemprop="creator">{escape(product["by"])}</span></p>
<p class="year">Made in {product["year"]}</p>
<div itemprop="offers" itemscope itemtype="https://schema.org/Offer">
<meta itemprop="priceCurrency" content="{product["currency"]}">
<p class="price"><b itemprop="price">{escape(product["price"])}</b></p>
<p class="stock" itemprop="availability">
    {escape(product["stock"])}
</p>
</div>
<p itemprop="description">{escape(product["about"])}</p>
</div>"""
    return Page(
        _html(shop, _Head(product["title"], product["about"]), body).encode(),
        fails=product.get("fails", ""),
    )


def _article(shop: dict[str, Any], article: dict[str, Any]) -> Page:
    paragraphs = "\n".join(f"<p>{escape(text)}</p>" for text in article["text"])
    body = f"""{_breadcrumbs(("/", article["section"]))}
<article>
<h1>{escape(article["title"])}</h1>
<time datetime="{article["date"]}">{article["date"]}</time>
{paragraphs}
</article>"""
    charset = article.get("charset", "utf-8")
    # Real sites declare an encoding in the Content-Type header or in a meta element; the demo has both cases.
    by_meta = charset == "shift_jis"
    head = _Head(article["title"], article["about"], article["lang"], charset if by_meta else "")
    # A character that the encoding does not have is written as a character reference.
    body_bytes = _html(shop, head, body).encode(charset, "xmlcharrefreplace")
    return Page(body_bytes, "text/html" if by_meta else f"text/html; charset={charset}")


def _shipping(shop: dict[str, Any]) -> Page:
    rows = "\n".join(
        f"<tr><th scope='row'>{escape(to)}</th><td>{escape(price)}</td><td>{escape(days)}</td></tr>"
        for to, price, days in shop["shipping"]
    )
    body = f"""{_breadcrumbs(("/shipping", "Shipping"))}
<h1>Shipping</h1>
<table>
<thead><tr><th>To</th><th>Price</th><th>Time</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>"""
    return Page(
        _html(shop, _Head("Shipping", "What we charge to send things, and how long it takes."), body).encode()
    )


def _about(shop: dict[str, Any]) -> Page:
    """Return a page in XHTML with an XML declaration, which makes some parsers expect XML."""
    name = escape(shop["shop"]["name"])
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
<head>
<title>About us | {name}</title>
<meta name="description" content="Who we are; a page from 2004 that nobody dares to touch." />
</head>
<body>
{_breadcrumbs(("/about", "About us"))}
<h1>About us</h1>
<p>We are a shop by the water<br />with more stairs than we would like.</p>
</body>
</html>
"""
    return Page(text.encode(), "application/xhtml+xml; charset=utf-8")


def _sitemap(urls: Iterable[str]) -> str:
    entries = "\n".join(f"  <url><loc>{escape(url)}</loc></url>" for url in urls)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}\n</urlset>\n'
    )
