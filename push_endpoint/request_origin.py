"""Refuses requests that a web page made a browser send, and requests for another server's name. Pure.

A server on a laptop can be reached by every page that a browser there has open. The page sends requests
across origins with a form or with `fetch` (cross-site request forgery). Or it lets its own name resolve to
127.0.0.1, so that the browser takes the server for the page's own (DNS rebinding). No page can change the
headers that show this: Host and Origin (RFC 9110 section 7.2, RFC 6454 section 7), and Sec-Fetch-Site
(https://www.w3.org/TR/fetch-metadata/), which browsers send to loopback addresses and over TLS.

`localpubsub/request_origin.py` has the same rules; a test checks that the two agree.
"""

import re
from collections.abc import Container
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, Protocol

#: The entry of the allowed hosts that allows every name.
ANY_HOST: Final = "*"
_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/@\s]+)(?::[0-9]*)?")  # RFC 3986 section 3.2
_MAX_QUOTED: Final = 80  #: maximum number of characters of a header in a message


class Headers(Protocol):
    """The header fields of a request, by their names in lower case, or in any case."""

    def get(self, name: str, default: str, /) -> str | None:
        """Return the value of a field, or `default`."""


def request_refusal(headers: Headers, allowed_hosts: Container[str], setting: str) -> str:
    """Return a sentence that says why a request is refused, or `""` if it may be served.

    Args:
        headers: the request's header fields.
        allowed_hosts: host names in lower case by which the server may be addressed, in addition to
            `localhost`, names below it, and addresses; or ANY_HOST.
        setting: what an operator changes to allow a further host, for the sentence.
    """
    host = headers.get("host", "") or ""
    if not _is_allowed(host, allowed_hosts):
        return (
            f"the request is for the host {host[:_MAX_QUOTED]!r}, which is no name of this server: use"
            f" localhost or an address, or add the name to {setting}"
        )
    origin = headers.get("origin", "")
    if origin and origin.lower().partition("://")[2] != host.lower():
        return (
            f"a web page of another origin ({origin[:_MAX_QUOTED]!r}) sent the request: send it with a"
            " program instead, for example curl"
        )
    if headers.get("sec-fetch-site", "") in {"cross-site", "same-site"}:
        return (
            "a web page of another site sent the request, or linked to this address: type the address into"
            " the browser, or use a program, for example curl"
        )
    return ""


def _is_allowed(host: str, allowed_hosts: Container[str]) -> bool:
    """Return whether a Host header names this server.

    Every address is allowed: rebinding needs a name, because the origin of a page that was opened at an
    address is that address.
    """
    if ANY_HOST in allowed_hosts:
        return True
    authority = _AUTHORITY.fullmatch(host.lower())
    if authority is None:
        return False
    name = authority[1].strip("[]").removesuffix(".")
    return _is_address(name) or f".{name}".endswith(".localhost") or name in allowed_hosts


@lru_cache(maxsize=64)  # a server is addressed by few names
def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
