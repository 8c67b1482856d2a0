"""A page as it was fetched: data, so that extraction never fetches."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """What a site answered.

    Attributes:
        url: of the last redirect; what relative links resolve against.
        http_status: 200 to 299.
        content_type: the header as sent; `""` where absent.
        body: decoded from its transfer and content encodings.
    """

    url: str
    http_status: int
    content_type: str
    body: bytes
