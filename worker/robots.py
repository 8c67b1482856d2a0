"""Parses robots.txt (RFC 9309) with protego, and decides whether a URL may be requested. Pure."""

import re
import string
from collections.abc import Iterator
from urllib.parse import quote, unquote

from protego import Protego

#: Maximum number of bytes of a robots.txt that are read. RFC 9309 section 2.5 requires at least this number.
MAX_ROBOTS_BYTES = 500 * 1024
_COMPATIBLE = re.compile(r"\bcompatible;\s*([A-Za-z_-]+)")
_PRODUCT = re.compile(r"[A-Za-z_-]+")
_USER_AGENT_LINE = re.compile(r"\s*user[- ]?agent(?:\s*:|\s)\s*([^#]*)", re.IGNORECASE)  # protego's syntax
_ESCAPED = re.compile(r"%(?:3A|2F)", re.IGNORECASE)
_NOT_RESERVED = string.printable.replace(":", "").replace("/", "")
_OTHER_AGENTS = "User-agent: -"  # replaces the User-agent lines of all other crawlers


def product_token(user_agent: str) -> str:
    """Return the product token, by which robots.txt names a crawler; `""` if the User-Agent has no token.

    The token is the name after `compatible;`, or else the name of the first product. It consists of letters,
    `_` and `-` (RFC 9309 section 2.2.1).
    """
    compatible = _COMPATIBLE.search(user_agent)
    if compatible:
        return compatible[1]
    first = _PRODUCT.match(user_agent)
    return first[0] if first else ""


class RobotRules:
    """The rules of one robots.txt for one crawler.

    Args:
        body: the file; only its first 500 KiB are read. An empty file allows everything.
        token: the crawler's product token.

    Attributes:
        crawl_delay: seconds between two requests; 0 if missing (not in RFC 9309, but common).
        size: characters of the parsed text, as a measure of the memory that the rules take.
    """

    def __init__(self, body: bytes = b"", token: str = "") -> None:
        self._token = token.lower()
        text = body[:MAX_ROBOTS_BYTES].decode("utf-8-sig", errors="replace")
        # protego would need minutes for very many groups, so the groups of other crawlers are merged.
        text = "\n".join(_merge_other_groups(text, self._token))
        self._protego = Protego.parse(text)
        self.crawl_delay = self._protego.crawl_delay(self._token) or 0.0
        self.size = len(text)

    def is_allowed(self, url: str) -> bool:
        """Return whether `url` may be requested."""
        return all(self._protego.can_fetch(form, self._token) for form in _equivalent_urls(url))


def _equivalent_urls(url: str) -> Iterator[str]:
    """Yield `url`, then `url` with the `:` and `/` of its query unescaped, then with both escaped.

    A rule for one of the three forms applies to all of them (RFC 9309 section 2.2.2).
    """
    yield url
    path, _, query = url.partition("?")
    if query:
        yield f"{path}?{_ESCAPED.sub(lambda escape: unquote(escape[0]), query)}"
        yield f"{path}?{quote(query, safe=_NOT_RESERVED)}"


def _merge_other_groups(text: str, token: str) -> Iterator[str]:
    """Yield the lines, but replace each run of User-agent lines for other crawlers by one `_OTHER_AGENTS`."""
    previous = ""
    for line in text.splitlines():
        agent = _USER_AGENT_LINE.match(line)
        is_kept = agent is None or _matches(agent[1], token)
        written = line if is_kept else _OTHER_AGENTS
        if is_kept or previous != _OTHER_AGENTS:
            yield written
        previous = written


def _matches(agent: str, token: str) -> bool:
    """Return whether a group applies to `token`; like protego, compare only the beginning of the token."""
    name = agent.strip().lower()
    return name == "*" or token.startswith(name.replace("*", ""))
