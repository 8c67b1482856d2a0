"""Errors of the HTTP client: a closed set of kinds, and the deadline that callers hand in."""

from enum import StrEnum
from typing import Protocol


class FetchErrorKind(StrEnum):
    """Why a URL could not be fetched."""

    DNS = "dns"  #: the resolver found no address for the host
    CONNECT = "connect"  #: no connection, or no valid HTTP header came over it
    TLS = "tls"  #: the TLS handshake failed, or the certificate is not valid for the host
    TIMEOUT = "timeout"  #: the site stopped sending
    INCOMPLETE_BODY = "incomplete_body"  #: the body ended early or could not be decoded
    TOO_LARGE = "too_large"  #: the body has more bytes than the caller takes
    DECOMPRESSION_BOMB = "decompression_bomb"  #: the body grew beyond the permitted ratio when decoded
    UNSUPPORTED_ENCODING = "unsupported_encoding"  #: the body has a content coding that was not offered
    REFUSED_ADDRESS = "refused_address"  #: the host is not on the public internet
    TOO_MANY_REDIRECTS = "too_many_redirects"  #: more redirects than the caller follows
    INVALID_REDIRECT = "invalid_redirect"  #: the Location header is not a URL that may be requested


class FetchError(Exception):
    """A URL could not be fetched.

    Attributes:
        kind: one of the closed set.
        detail: a sentence for people.
        status: the HTTP status, if the header was received; else 0.
        url: the URL of the failed request, which redirects may have led to; `""` until the client sets it.
    """

    def __init__(self, kind: FetchErrorKind, detail: str, *, status: int = 0, url: str = "") -> None:
        self.kind = kind
        self.detail = detail
        self.status = status
        self.url = url
        super().__init__(detail)


class Deadline(Protocol):
    """The time at which everything about one fetch must have ended."""

    def remaining(self) -> float:
        """Return the remaining seconds, more than 0.

        Raises:
            Exception: one of the caller's own, once the deadline has passed.
        """
