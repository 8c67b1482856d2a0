"""Checks and normalises the URLs of pages, and determines whether two URLs are equivalent."""

import re
from ipaddress import IPv6Address
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator
from w3lib.url import canonicalize_url, safe_url_string

MAX_URL_CHARACTERS = 2048
SCHEMES = ("http", "https")
_DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_HOST_CHARACTERS = 253  # RFC 1035 section 2.3.4
# DNS labels (RFC 1035 section 2.3.4), and `_`, which some sites use.
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")


def check_url(url: str) -> str:
    """Return `url` as it will be requested: percent-encoded, with an IDNA host and without a fragment.

    The order and the escapes of query parameters are not changed, because a site may have signed them.

    Raises:
        ValueError: if the URL is invalid, too long, or not http or https; the message gives the reason.
    """
    url = url.strip()
    if len(url) > MAX_URL_CHARACTERS:
        raise ValueError(f"a URL has at most {MAX_URL_CHARACTERS} characters, this one has {len(url)}")
    _check_parts(_split(url))
    try:
        safe = safe_url_string(url)
    except (ValueError, UnicodeError) as error:
        raise ValueError(f"not a URL: {error}") from None
    parts = _split(safe)
    host = _checked_host(parts)
    port = "" if parts.port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    written = parts._replace(netloc=f"{host}{port}", path=parts.path or "/", fragment="").geturl()
    if len(written) > MAX_URL_CHARACTERS:
        raise ValueError(f"percent-encoded, the URL has {len(written)} of {MAX_URL_CHARACTERS} characters")
    return written


def canonical_url(url: str) -> str:
    """Return the form that all equivalent URLs share: sorted query, normalised escapes, no fragment.

    `url` must be a result of `check_url`, which has already normalised the host and the port.
    """
    return canonicalize_url(url)


def host_of(url: str) -> str:
    """Return the host of a checked URL, in lower case and without port; `""` if the URL has no host."""
    return urlsplit(url).hostname or ""


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - the property raises if the port is invalid
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    return parts


def _check_parts(parts: SplitResult) -> None:
    if parts.scheme not in SCHEMES:
        found = f", not {parts.scheme!r}" if parts.scheme else "; it is missing"
        raise ValueError(f"the scheme must be http or https{found}")
    if not parts.hostname:
        raise ValueError("the host is missing")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL with a user or password is refused: it would be logged and stored")
    if any(character <= " " or character == "\\" for character in parts.netloc):
        raise ValueError("the host contains a space, a backslash or a control character")
    if parts.port == 0:
        raise ValueError("port 0 cannot be requested")
    if "[" in parts.netloc and (":" not in parts.hostname or "%" in parts.hostname):
        raise ValueError("the brackets must contain an IPv6 address without a zone")


def _checked_host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if len(host) > MAX_HOST_CHARACTERS:
        raise ValueError(f"a host has at most {MAX_HOST_CHARACTERS} characters, this one has {len(host)}")
    if ":" in host:
        return f"[{IPv6Address(host).compressed}]"
    if not _HOST.fullmatch(host):
        raise ValueError(
            f"{host!r} is not a host name; a label has 1 to 63 letters, digits, hyphens or underscores"
        )
    return host


PageUrl = Annotated[str, AfterValidator(check_url)]
