"""Defines a fetched page as plain data, so that extraction does not depend on fetching."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FetchedPage:
    """A page as its site sent it.

    Attributes:
        url: the URL of the page, after redirects; relative links resolve against it.
        http_status: 200 to 203.
        content_type: the Content-Type header as sent; `""` if missing.
        body: the bytes, decoded from transfer and content codings.
        is_public: whether the page came from a public address.
    """

    url: str
    http_status: int
    content_type: str
    body: bytes
    is_public: bool = False
