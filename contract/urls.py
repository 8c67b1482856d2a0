"""The URLs of pages: which are taken, how they are written, and when two are one page."""

import re
from ipaddress import IPv6Address
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator
from w3lib.url import canonicalize_url, safe_url_string

MAX_URL_CHARACTERS = 2048
SCHEMES = ("http", "https")
_DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_HOST_CHARACTERS = 253  # RFC 1035 section 2.3.4; the host is also an attribute, of at most 1,024 B
# Labels as the DNS takes them (RFC 1035 section 2.3.4), with `_`, which some sites do use.
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")


def check_url(url: str) -> str:
    """Return `url` as it is written on the wire: percent-encoded, IDNA host, no fragment.

    Query parameters keep their order and spelling, since a site may have signed them.

    Raises:
        ValueError: with a sentence that says what is wrong and what is taken.
    """
    url = url.strip()
    if len(url) > MAX_URL_CHARACTERS:
        raise ValueError(f"a URL has at most {MAX_URL_CHARACTERS} characters, this one has {len(url)}")
    _check_parts(_split(url))
    try:
        safe = safe_url_string(url)
    except (ValueError, UnicodeError) as wrong:
        raise ValueError(f"not a URL: {wrong}") from None
    parts = _split(safe)
    host = _checked_host(parts)
    port = "" if parts.port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    written = parts._replace(netloc=f"{host}{port}", path=parts.path or "/", fragment="").geturl()
    if len(written) > MAX_URL_CHARACTERS:
        raise ValueError(f"percent-encoded, the URL has {len(written)} of {MAX_URL_CHARACTERS} characters")
    return written


def canonical_url(url: str) -> str:
    """Return the spelling that all URLs of one page share: sorted query, normal escapes, no fragment.

    `url` is one that `check_url` wrote: the default port and the spelling of the host are its work.
    """
    return canonicalize_url(url)


def host_of(url: str) -> str:
    """Return the host of a checked URL, lower case, without port; `""` where there is none."""
    return urlsplit(url).hostname or ""


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - the property raises on a port that is none
    except ValueError as wrong:
        raise ValueError(f"not a URL: {wrong}") from None
    return parts


def _check_parts(parts: SplitResult) -> None:
    if parts.scheme not in SCHEMES:
        scheme = f"{parts.scheme!r} is not" if parts.scheme else "there is none"
        raise ValueError(f"the scheme must be http or https, {scheme}")
    if not parts.hostname:
        raise ValueError("there is no host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL with a user or password is refused: it would be logged and stored")
    if any(character <= " " or character == "\\" for character in parts.netloc):
        raise ValueError("the host holds a space, a backslash or a control character")
    if parts.port == 0:
        raise ValueError("no site listens on port 0")
    if "[" in parts.netloc and (":" not in parts.hostname or "%" in parts.hostname):
        raise ValueError("what stands in brackets is no IPv6 address without a zone")


def _checked_host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if len(host) > MAX_HOST_CHARACTERS:
        raise ValueError(f"a host has at most {MAX_HOST_CHARACTERS} characters, this one has {len(host)}")
    if ":" in host:
        return f"[{IPv6Address(host).compressed}]"
    if not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is no host: labels of 1 to 63 letters, digits, hyphens or underscores")
    return host


PageUrl = Annotated[str, AfterValidator(check_url)]
