"""Parses robots.txt (RFC 9309), and decides whether a URL may be requested. Pure.

Only the rules for this crawler are kept, so a file with very many groups or rules for others takes no memory.
Google's published tests (https://github.com/google/robotstxt) decide where the RFC leaves a choice.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

#: Maximum number of bytes of a robots.txt that are read. RFC 9309 section 2.5 requires at least this number.
MAX_ROBOTS_BYTES = 500 * 1024
MAX_CRAWL_DELAY_SECONDS = 24 * 3600.0  #: a longer Crawl-delay counts as this one
RULE_BYTES = 100  #: memory that a rule takes in addition to its text, in bytes
_COMPATIBLE = re.compile(r"\bcompatible;\s*([A-Za-z_-]+)")
_PRODUCT = re.compile(r"[A-Za-z_-]+")
_LINE = re.compile(r"[^\r\n]+")
_RECORD = re.compile(
    r"([^:#]*?)\s*:\s*([^#]*)"
    # Google also reads these records if their colon is missing.
    r"|(user[ -]?agent|allow|disallow|crawl[ -]delay)(?![^\s#])\s*([^#]*)",
    re.IGNORECASE,
)
_EVERYBODY = re.compile(r"\*(?:\s|$)")
# Names of records, with spellings that Google reads, too.
_USER_AGENT = frozenset({"user-agent", "user agent", "useragent"})
_DISALLOW = frozenset({"disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"})
_SITEMAP = frozenset({"sitemap", "site-map"})
_CRAWL_DELAY = frozenset({"crawl-delay", "crawl delay", "crawldelay"})
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")  # RFC 3986 section 2.3
#: Characters that are not escaped: those of paths and queries (RFC 3986), `%`, and those special in rules.
_SAFE = "!#$%&'()*+,/:;=?@[]"


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


@dataclass(eq=False)
class _Group:
    """The rules and the crawl delay for this crawler, or for all crawlers.

    Attributes:
        patterns: for each pattern, whether it allows.
        crawl_delay: seconds between two requests.
        exists: whether a User-agent line names this crawler.
    """

    patterns: dict[str, bool] = field(default_factory=dict)
    crawl_delay: float = 0.0
    exists: bool = False

    def add(self, pattern: str, *, allows: bool) -> None:
        """Add a rule; if a pattern is both allowed and disallowed, it is allowed (RFC 9309 section 2.2.2)."""
        self.patterns[pattern] = allows or self.patterns.get(pattern, False)


class RobotRules:
    """The rules of one robots.txt for one crawler.

    Args:
        body: the file; only its first 500 KiB are read. An empty file allows everything.
        token: the crawler's product token.

    Attributes:
        crawl_delay: seconds between two requests, at most a day; 0 if missing (not in RFC 9309, but common).
        size: bytes of memory that the rules take, approximately.
    """

    def __init__(self, body: bytes = b"", token: str = "") -> None:
        group = _read(_text(body), token.lower())
        self.crawl_delay = group.crawl_delay
        # The longest pattern that matches decides (RFC 9309 section 2.2.2), so it is searched first.
        self._rules = sorted(group.patterns.items(), key=lambda rule: -len(rule[0]))
        self.size = sum(RULE_BYTES + len(pattern) for pattern in group.patterns)

    def is_allowed(self, url: str) -> bool:
        """Return whether `url` may be requested."""
        if not self._rules:
            return True
        parts = urlsplit(url)
        if parts.path == "/robots.txt":
            return True  # RFC 9309 section 2.2.2
        forms = list(_equivalent_forms(parts.path or "/", parts.query))
        best, allowed = -1, True
        for pattern, allows in self._rules:
            if len(pattern) < best:
                break
            if (best < 0 or allows) and any(_matches(pattern, form) for form in forms):
                best, allowed = len(pattern), allows
        return allowed


def named_sitemaps(body: bytes) -> list[str]:
    """Return the sitemaps that a robots.txt names, unchecked, each of them once.

    They belong to no group (https://www.sitemaps.org/protocol.html#submit_robots).
    """
    values = (value for name, value in _records(_text(body)) if name in _SITEMAP)
    return list(dict.fromkeys(filter(None, values)))


def _text(body: bytes) -> str:
    text = body[:MAX_ROBOTS_BYTES].decode("utf-8-sig", errors="replace")
    if len(body) >= MAX_ROBOTS_BYTES:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1]  # the last line may be incomplete
    return text


def _read(text: str, token: str) -> _Group:
    """Return the group of the crawler with this token, or else the group of all crawlers.

    Groups of one crawler are merged. Other records than User-agent, Allow and Disallow neither begin nor end
    a group (RFC 9309 section 2.2.4). A Crawl-delay, which the RFC does not have, is that of the User-agent
    lines before it up to the next other record: many files have groups with nothing but a Crawl-delay.
    """
    own, everybody = _Group(), _Group()
    ruled, delayed = list[_Group](), list[_Group]()
    is_head = is_delay_head = False
    for name, value in _records(text):
        if name in _USER_AGENT:
            ruled = ruled if is_head else []
            delayed = delayed if is_delay_head else []
            is_head = is_delay_head = True
            named = _named(value, token, own, everybody)
            own.exists = own.exists or own in named
            ruled += [group for group in named if group not in ruled]
            delayed += [group for group in named if group not in delayed]
        elif name in _CRAWL_DELAY:
            is_delay_head = False
            for group in delayed:
                group.crawl_delay = max(group.crawl_delay, _seconds(value))
        elif name == "allow" or name in _DISALLOW:
            is_head = is_delay_head = False
            for group in ruled:
                _add_rule(group, value, allows=name == "allow")
    return own if own.exists else everybody


def _named(value: str, token: str, own: _Group, everybody: _Group) -> list[_Group]:
    """Return the group that a User-agent line names; no group if it names another crawler."""
    if _EVERYBODY.match(value):
        return [everybody]
    product = _PRODUCT.match(value)
    return [own] if token and product and product[0].lower() == token else []


def _records(text: str) -> Iterator[tuple[str, str]]:
    for line in _LINE.finditer(text):
        match = _RECORD.match(line[0].strip())
        if match:
            yield (match[1] or match[3] or "").lower(), (match[2] or match[4] or "").strip()


def _add_rule(group: _Group, value: str, *, allows: bool) -> None:
    if not value:
        return  # an empty pattern matches nothing
    group.add(_pattern(value), allows=allows)
    directory, _, page = value.rpartition("/")
    if allows and page.startswith("index.htm"):
        group.add(_pattern(f"{directory}/$"), allows=True)  # as Google, because it is the same page


def _seconds(value: str) -> float:
    try:
        seconds = float(value[:20])
    except ValueError:
        return 0.0
    return min(seconds, MAX_CRAWL_DELAY_SECONDS) if 0 < seconds < float("inf") else 0.0


def _pattern(value: str) -> str:
    """Return a pattern in normal form, in which `*` is special, and `$` only at the end."""
    end = "$" if value.endswith("$") else ""
    return re.sub(r"\*+", "*", _normalise(value.removesuffix("$")).replace("$", "%24")) + end


def _equivalent_forms(path: str, query: str) -> Iterator[str]:
    """Yield path and query in normal form, then with `:` and `/` in the query unescaped, then escaped.

    A rule for one of the three forms applies to all of them (RFC 9309 section 2.2.2).
    """
    normal = _normalise(f"{path}?{query}" if query else path).replace("*", "%2A").replace("$", "%24")
    yield normal
    before, mark, after = normal.partition("?")
    if ":" in after or "/" in after or "%3A" in after or "%2F" in after:
        unescaped = after.replace("%3A", ":").replace("%2F", "/")
        yield f"{before}{mark}{unescaped}"
        yield f"{before}{mark}{unescaped.replace(':', '%3A').replace('/', '%2F')}"


def _normalise(text: str) -> str:
    """Return the text with unreserved characters unescaped, and all that a URL may not contain escaped."""
    if "%" in text:
        text = _ESCAPE.sub(_unescape_unreserved, text)
    return quote(text, safe=_SAFE, errors="replace")


def _unescape_unreserved(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if _UNRESERVED.match(character) else match[0].upper()


def _matches(pattern: str, form: str) -> bool:
    """Return whether a pattern matches; in time proportional to the length of pattern and form."""
    first, *others = pattern.removesuffix("$").split("*")
    if not form.startswith(first):
        return False
    place = len(first)
    is_whole = pattern.endswith("$")
    if not others:
        return place == len(form) or not is_whole
    last = others.pop()
    for other in others:
        place = form.find(other, place)
        if place < 0:
            return False
        place += len(other)
    if is_whole:
        return len(form) - len(last) >= place and form.endswith(last)
    return form.find(last, place) >= 0
