"""Decides whether a listed sitemap belongs to the site of its index. Pure.

By the protocol, an index lists only sitemaps of its own site (https://www.sitemaps.org/protocol.html#index).
"""

from urllib.parse import urlsplit


def is_same_site(url: str, index: str) -> bool:
    """Return whether a sitemap is on the host of its index, or on a subdomain of it.

    `www.` does not count: an index on `www.shop.example` may list sitemaps on `shop.example` and on
    `cdn.shop.example`. The scheme may differ; the port must be that of the index, or that of the scheme.

    Args:
        url: the URL of the listed sitemap, as `contract.urls.check_url` returns it.
        index: the URL from which the index was read, likewise.
    """
    listed, own = urlsplit(url), urlsplit(index)
    host, site = ((parts.hostname or "").rstrip(".") for parts in (listed, own))
    without_www = site.removeprefix("www.")
    site = without_www if "." in without_www else site
    return (host == site or host.endswith(f".{site}")) and listed.port in {None, own.port}
