"""Resolves, checks and normalises the URLs of pages as browsers do, and finds equivalent URLs.

The rules are those of the URL Standard (https://url.spec.whatwg.org/), in the implementation Ada: host names
are written by UTS 46 without transitional processing (`straße.de` is not `strasse.de`), backslashes are
slashes, and `.` and `..` segments are removed. `check_url` also refuses URLs that browsers accept but a crawl
must not contain.
"""

import re
from functools import lru_cache
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

import can_ada
from pydantic import AfterValidator
from w3lib.url import canonicalize_url

from contract.encodings import UTF_8, encode_for_query, find_encoding

MAX_URL_CHARACTERS = 2048
SCHEMES = ("http", "https")
MAX_HOST_CHARACTERS = 253  # RFC 1035 section 2.3.4
# DNS labels (RFC 1035 section 2.3.4), and `_`, which some sites use.
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")
#: URLs of which w3lib changes nothing: no escapes, no dot segments, and at most one query parameter.
_CANONICAL = re.compile(
    r"https?://[a-z0-9.-]+(?::[0-9]+)?(?:/(?!\.)[A-Za-z0-9._~-]*)+(?:\?[A-Za-z0-9._~-]+=[A-Za-z0-9._~-]*)?"
)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_IGNORED = str.maketrans("", "", "\t\n\r")  # the URL Standard removes these characters first


def check_url(url: str) -> str:
    """Return `url` as it will be requested: percent-encoded, with an IDNA host and without a fragment.

    The order and the escapes of query parameters are not changed, because a site may have signed them.

    Raises:
        ValueError: if the URL is invalid, too long, or not http or https; the message gives the reason.
    """
    url = url.strip()
    if len(url) > MAX_URL_CHARACTERS:
        raise ValueError(f"a URL has at most {MAX_URL_CHARACTERS} characters, this one has {len(url)}")
    _check_scheme(url)
    parsed = _parse(url)
    _check_host(parsed)
    written = parsed.href.partition("#")[0]
    if written.find("?") == len(written) - 1:
        written = written[:-1]  # an empty query
    if len(written) > MAX_URL_CHARACTERS:
        raise ValueError(f"percent-encoded, the URL has {len(written)} of {MAX_URL_CHARACTERS} characters")
    return written


def resolve_url(base: str, reference: str, encoding: str = "utf-8") -> str:
    """Return the absolute URL of a link, as browsers do. The result may have any scheme, and is not checked.

    Args:
        base: the absolute URL of the page, or of its `<base>`.
        reference: the link as it is written in the page.
        encoding: the label of the page's encoding, in which the query is written; other parts are always
            written in UTF-8 (https://url.spec.whatwg.org/#query-state).

    Raises:
        ValueError: if the link is not a URL.
    """
    return _parse(escape_query(reference, encoding), base).href


def escape_query(reference: str, encoding: str) -> str:
    """Return a link with the characters beyond ASCII of its query percent-encoded in the page's encoding.

    `resolve_url` does the same; this function is for callers that resolve the link later.
    """
    if reference.isascii() or encoding == "utf-8":
        return reference
    before, hash_sign, fragment = reference.partition("#")
    path, question_mark, query = before.partition("?")
    found = find_encoding(encoding) or UTF_8
    if query.isascii() or found is UTF_8:
        return reference
    written = encode_for_query(query, found).decode("latin-1")
    # A byte of a character may be that of `#`, as in ISO-2022-JP, but the query has no `#` of its own.
    escaped = "".join(
        each if each.isascii() and each.isprintable() and each != "#" else f"%{ord(each):02X}"
        for each in written
    )
    return f"{path}{question_mark}{escaped}{hash_sign}{fragment}"


def canonical_url(url: str) -> str:
    """Return the form that all equivalent URLs share: sorted query, normalised escapes, no fragment.

    `url` must be a result of `check_url`, which has already normalised the host and the port.
    """
    # Most URLs are written so already, and w3lib takes ten times as long to find that out.
    return url if _CANONICAL.fullmatch(url) else canonicalize_url(url)


def origin_of(url: str) -> str:
    """Return the origin of a checked URL (RFC 6454): `scheme://host`, with a port that is not the default."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def host_of(url: str) -> str:
    """Return the host of a checked URL, in lower case and without port; `""` if the URL has no host."""
    return _host_of_authority(origin_of(url))


@lru_cache(maxsize=4096)
def _host_of_authority(url: str) -> str:
    """Return the host of a URL without a path. The pages of one site have the same one."""
    return urlsplit(url).hostname or ""


class _ParsedUrl(NamedTuple):
    """The parts of a URL that are checked.

    Ada's own objects are not kept, because its binding reports an object that exists at exit as leaked.
    """

    href: str
    host: str
    port: str
    has_credentials: bool


def _parse(url: str, base: str = "") -> _ParsedUrl:
    try:
        f"{base}{url}".encode()  # Ada's binding raises a TypeError for lone surrogates
        parsed = can_ada.parse(base) + url if base else can_ada.parse(url)
        return _ParsedUrl(parsed.href, parsed.hostname, parsed.port, parsed.has_credentials())
    except UnicodeEncodeError as error:
        raise ValueError(f"not a URL: {error}") from None
    except ValueError:
        raise ValueError("not a URL: its host or its port is invalid") from None


def _check_scheme(url: str) -> None:
    match = _SCHEME.match(url.translate(_IGNORED))
    scheme = match[1].lower() if match else ""
    if scheme not in SCHEMES:
        found = f", not {scheme!r}" if scheme else "; it is missing"
        raise ValueError(f"the scheme must be http or https{found}")
    if match is not None and not url.translate(_IGNORED)[match.end() :].strip("/\\"):
        raise ValueError("the host is missing")


def _check_host(parsed: _ParsedUrl) -> None:
    host = parsed.host
    if parsed.has_credentials:
        raise ValueError("a URL with a user or password is refused: it would be logged and stored")
    if parsed.port == "0":
        raise ValueError("port 0 cannot be requested")
    if len(host) > MAX_HOST_CHARACTERS:
        raise ValueError(f"a host has at most {MAX_HOST_CHARACTERS} characters, this one has {len(host)}")
    if not host.startswith("[") and not _HOST.fullmatch(host):
        raise ValueError(
            f"{host!r} is not a host name; a label has 1 to 63 letters, digits, hyphens or underscores"
        )


PageUrl = Annotated[str, AfterValidator(check_url)]
