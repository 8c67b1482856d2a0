"""robots.txt (RFC 9309): bytes in, verdicts out, with protego. Pure."""

import re
import string
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, unquote

from protego import Protego

MAX_ROBOTS_BYTES = 500 * 1024  #: what is read of one, the least that RFC 9309 section 2.5 allows
MOST_CANDIDATES = 64  #: rules that are tried one by one to say which of them disallows
_COMPATIBLE = re.compile(r"\bcompatible;\s*([A-Za-z_-]+)")
_PRODUCT = re.compile(r"[A-Za-z_-]+")
# Spelled as protego takes them.
_AGENT = re.compile(r"\s*user[- ]?agent(?:\s*:|\s)\s*([^#]*)", re.IGNORECASE)
_DISALLOW = re.compile(r"\s*disallow\s*:\s*([^#]*?)\s*(?:#.*)?", re.IGNORECASE)
_LITERAL = re.compile(r"[^*$%]*")
_ESCAPED = re.compile(r"%(?:3A|2F)", re.IGNORECASE)
_NOT_RESERVED = string.printable.replace(":", "").replace("/", "")
_OTHERS = "User-agent: -"  #: stands for every crawler that is not us


def product_token(user_agent: str) -> str:
    """Return the name by which robots.txt calls us; `""` where a User-Agent has none.

    Letters, `_` and `-` (RFC 9309 section 2.2.1): the first product's, or `compatible;`'s.
    """
    named = _COMPATIBLE.search(user_agent)
    if named:
        return named[1]
    first = _PRODUCT.match(user_agent)
    return first[0] if first else ""


class _Rule(NamedTuple):
    """A `Disallow`, and the crawlers it is said to."""

    agents: tuple[str, ...]
    pattern: str


class RobotRules:
    """What one robots.txt says to us.

    Args:
        body: as it came, at most 500 KiB of it.
        token: our product token.

    Attributes:
        crawl_delay: seconds between two requests; 0 where it says nothing (not in RFC 9309, but common).
        size: of what is kept, bytes.
    """

    def __init__(self, body: bytes = b"", token: str = "") -> None:
        self._token = token.lower()
        # Groups of others are one: a file of nothing but groups would take protego minutes.
        text = body[:MAX_ROBOTS_BYTES].decode("utf-8-sig", errors="replace")
        self._text = "\n".join(_for_us(text, self._token))
        self._protego = Protego.parse(self._text)
        self.crawl_delay = self._protego.crawl_delay(self._token) or 0.0
        self.size = len(self._text)

    def why_disallowed(self, url: str) -> str:
        """Return the rule that disallows `url`, with its group; `""` where it is allowed."""
        if all(self._protego.can_fetch(each, self._token) for each in _spellings(url)):
            return ""
        rules = list(_rules(self._text))
        group = max((agent for rule in rules for agent in rule.agents if agent != "*"), key=len, default="*")
        patterns = {rule.pattern for rule in rules if group in rule.agents and _may_match(rule.pattern, url)}
        for pattern in sorted(patterns, key=len, reverse=True)[:MOST_CANDIDATES]:
            alone = Protego.parse(f"User-agent: *\nDisallow: {pattern}")
            if not alone.can_fetch(url, self._token):
                return f'"Disallow: {pattern}" for "User-agent: {group}"'
        return f'a rule for "User-agent: {group}"'


def _spellings(url: str) -> Iterator[str]:
    """Yield `url` as it is, and with its query's `:` and `/` otherwise: to RFC 9309 (2.2.2) they are one."""
    yield url
    path, _, query = url.partition("?")
    if query:
        yield f"{path}?{_ESCAPED.sub(lambda escape: unquote(escape[0]), query)}"
        yield f"{path}?{quote(query, safe=_NOT_RESERVED)}"


def _for_us(text: str, token: str) -> Iterator[str]:
    """Yield the lines, those that name other crawlers replaced by one that names nobody."""
    before = ""
    for line in text.splitlines():
        agent = _AGENT.match(line)
        ours = agent is None or _applies(agent[1], token)
        written = line if ours else _OTHERS
        if ours or before != _OTHERS:
            yield written
        before = written


def _applies(agent: str, token: str) -> bool:
    """Say whether a group may be ours: as protego has it, by the beginning of our name."""
    named = agent.strip().lower()
    return named == "*" or token.startswith(named.replace("*", ""))


def _rules(text: str) -> Iterator[_Rule]:
    agents: tuple[str, ...] = ()
    in_head = False
    for line in text.splitlines():
        if agent := _AGENT.match(line):
            named = agent[1].strip().lower()
            agents = (*agents, named) if in_head else (named,)
            in_head = True
        elif disallow := _DISALLOW.fullmatch(line):
            in_head = False
            ours = tuple(each for each in agents if f"User-agent: {each}" != _OTHERS)
            if disallow[1] and ours:
                yield _Rule(ours, disallow[1])
        elif line.strip() and not line.lstrip().startswith("#"):
            in_head = False


def _may_match(pattern: str, url: str) -> bool:
    """Say whether what a pattern begins with, up to its first special character, begins the path."""
    literal = _LITERAL.match(pattern)
    path = "/" + url.split("://", 1)[-1].partition("/")[2]
    return not literal or not literal[0].isascii() or path.startswith(literal[0])
