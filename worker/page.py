"""A fetched page: plain data, since extraction never fetches."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FetchedPage:
    """The response that a site gave for a page.

    Attributes:
        url: the requested URL, after redirects; relative links resolve against it.
        http_status: 200 to 203.
        content_type: the Content-Type header as sent; `""` if missing.
        body: the bytes, decoded from transfer and content codings.
    """

    url: str
    http_status: int
    content_type: str
    body: bytes
