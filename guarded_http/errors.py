"""Defines the errors of the HTTP client, and the interface of the deadline that a caller passes to it."""

from enum import StrEnum
from typing import Protocol

from contract.quoting import hide_userinfo


class FetchErrorKind(StrEnum):
    """Why a URL could not be fetched."""

    DNS = "dns"  #: the resolver found no address for the host
    CONNECT = "connect"  #: no connection could be made, or no valid HTTP header was received
    TLS = "tls"  #: the TLS handshake failed, or the certificate is not valid for the host
    TIMEOUT = "timeout"  #: the site sent nothing for too long
    INCOMPLETE_BODY = "incomplete_body"  #: the body, or its compressed stream, ended early
    CORRUPT_BODY = "corrupt_body"  #: the body is not in the coding that its Content-Encoding names
    TOO_LARGE = "too_large"  #: the body has more bytes than the caller allows
    #: The decoded body is too large compared with the received one, or the body has too many content codings.
    DECOMPRESSION_BOMB = "decompression_bomb"
    UNSUPPORTED_ENCODING = "unsupported_encoding"  #: the client cannot decode the body's content coding
    REFUSED_ADDRESS = "refused_address"  #: the host has an address that must not be contacted
    TOO_MANY_REDIRECTS = "too_many_redirects"  #: there were more redirects than the caller allows
    INVALID_REDIRECT = "invalid_redirect"  #: the Location header is not a URL that may be requested


class FetchError(Exception):
    """A URL could not be fetched.

    Attributes:
        kind: why the URL could not be fetched.
        detail: a sentence for people, without passwords of URLs.
        status: the HTTP status, if the header was received; else 0.
        url: the URL of the failed request, possibly after redirects; `""` until the client sets it.
    """

    def __init__(self, kind: FetchErrorKind, detail: str, *, status: int = 0, url: str = "") -> None:
        self.kind = kind
        self.detail = hide_userinfo(detail)
        self.status = status
        self.url = url
        super().__init__(self.detail)


class Deadline(Protocol):
    """The time by which one fetch must have ended, including redirects and the reading of the body."""

    def remaining(self) -> float:
        """Return the remaining seconds, more than 0.

        Raises:
            Exception: an exception that the caller chooses, if the deadline has passed.
        """
