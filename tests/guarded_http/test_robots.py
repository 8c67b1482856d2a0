"""Tests the rules of a robots.txt (RFC 9309): which URLs they allow, and that parsing is fast enough."""

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guarded_http.robots import (
    MAX_CRAWL_DELAY_SECONDS,
    MAX_ROBOTS_BYTES,
    RobotRules,
    named_sitemaps,
    product_token,
)
from tests.extraction.many_examples import many_examples

SITE = "http://shop.example"


def is_allowed(robots: str, path: str, user_agent: str = "scrapeq/0.1 (+https://x.example)") -> bool:
    """Return whether a robots.txt allows a path to a User-Agent."""
    return RobotRules(robots.encode(), product_token(user_agent)).is_allowed(f"{SITE}{path}")


# The example of RFC 9309 section 5.1.
SIMPLE = """
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""
LONGEST = """
User-Agent: foobot
Allow: /example/page/
Disallow: /example/page/disallowed.gif
"""


@pytest.mark.parametrize(
    ("robots", "agent", "path", "expected"),
    [
        (SIMPLE, "otherbot", "/page.html", True),
        (SIMPLE, "otherbot", "/a.gif", False),
        (SIMPLE, "otherbot", "/a.gif?x", True),
        (SIMPLE, "otherbot", "/example/x", False),
        (SIMPLE, "otherbot", "/publications/x", True),
        (SIMPLE, "foobot", "/", False),
        (SIMPLE, "FooBot", "/publications/x", False),
        (SIMPLE, "foobot", "/example/page.html", True),
        (SIMPLE, "foobot", "/example/allowed.gif", True),
        (SIMPLE, "barbot", "/example/page.html", False),
        (SIMPLE, "bazbot", "/example/page.html", False),
        (SIMPLE, "bazbot", "/example/other.html", True),
        (SIMPLE, "quxbot", "/example/page.html", True),
        (LONGEST, "foobot", "/example/page/allowed.gif", True),
        (LONGEST, "foobot", "/example/page/disallowed.gif", False),
    ],
)
def test_examples_of_rfc_9309_have_the_documented_results(
    robots: str, agent: str, path: str, expected: bool
) -> None:
    """The examples of RFC 9309 section 5 allow and disallow the paths that the RFC states."""
    assert is_allowed(robots, path, f"{agent}/1.0") is expected


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ("Disallow: /foo/bar?baz=quz", "/foo/bar?baz=quz", False),
        ("Disallow: /foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", False),
        ("Disallow: /foo/bar?baz=https%3A%2F%2Ffoo.bar", "/foo/bar?baz=https://foo.bar", False),
        ("Disallow: /foo/bar/ツ", "/foo/bar/%E3%83%84", False),
        ("Disallow: /foo/bar/%E3%83%84", "/foo/bar/%E3%83%84", False),
        ("Disallow: /foo/bar/%62%61%7A", "/foo/bar/baz", False),
        ("Disallow: /path/file-with-a-%2A.html", "/path/file-with-a-*.html", False),
        ("Disallow: /path/foo-%24", "/path/foo-$", False),
        ("Allow: /a\nDisallow: /a", "/a", True),
        ("Disallow: /a\nAllow: /a", "/a", True),
        ("Disallow: /\nAllow: /$", "/", True),
        ("Disallow: /\nAllow: /$", "/a", False),
        ("Disallow: /*/private", "/x/y/private/z", False),
        ("Disallow: /a*b*c$", "/a1b2c", False),
        ("Disallow: /a*b*c$", "/a1b2cd", True),
        ("Disallow: # nothing", "/a", True),
        ("Disallow: /a # all of it", "/abc", False),
        ("disallow:/a", "/A", True),
        ("DISALLOW : /a", "/a", False),
        ("Disallow: a", "/a", True),
        ("Sitemap: /s.xml\nDisallow: /a", "/a", False),
        ("Disallow: /a\nUnknown: x\nDisallow: /b", "/b", False),
        ("<html><body>Not found</body></html>", "/a", True),
    ],
)
def test_paths_are_matched_as_in_rfc_9309(rules: str, path: str, expected: bool) -> None:
    """Rules match paths as RFC 9309 section 2.2.2 requires, and the longest matching rule applies."""
    assert is_allowed(f"User-agent: *\n{rules}", path) is expected


@pytest.mark.parametrize(
    ("robots", "path"),
    [
        ("User-agent: *\nDisallow: /a\nDisallow: /a/b", "/a/b?c=1"),
        ("User-agent: *\nAllow: /\nUser-agent: Scrapeq\nDisallow: /*/b$", "/a/b"),
        ("User-agent: x\nUser-agent: *\nDisallow: /a # why", "/a/b"),
        ("User-agent: *\nDisalow: /a", "/a/b"),
    ],
    ids=["longest rule", "own group", "shared group", "misspelled"],
)
def test_group_and_rule_are_found(robots: str, path: str) -> None:
    """The longest rule, the crawler's group, a shared group and a misspelled `Disallow` each apply."""
    assert not is_allowed(robots, path)


def test_empty_robots_txt_allows_everything() -> None:
    """Rules without a robots.txt allow every URL and have no crawl delay."""
    assert RobotRules().is_allowed(f"{SITE}/a")
    assert RobotRules().crawl_delay == 0


def test_crawl_delay_is_read() -> None:
    """Crawl-delay, a common extension of RFC 9309, is read from the crawler's group or else from `*`."""
    robots = b"User-agent: *\nCrawl-delay: 9\nUser-agent: scrapeq\nCrawl-delay: 2.5"
    assert RobotRules(robots, "scrapeq").crawl_delay == 2.5
    assert RobotRules(robots, "other").crawl_delay == 9


@pytest.mark.parametrize(
    ("user_agent", "token"),
    [
        ("scrapeq/0.1 (+https://x.example)", "scrapeq"),
        ("Mozilla/5.0 (compatible; Foo-bot/1.0; +https://x.example)", "Foo-bot"),
        ("my_bot", "my_bot"),
        ("007bot", ""),
    ],
)
def test_product_token_is_read_from_the_user_agent(user_agent: str, token: str) -> None:
    """The product token (RFC 9309 section 2.2.1) is the crawler's name in the User-Agent."""
    assert product_token(user_agent) == token


GROUPS = [
    # Other records, known or not, neither begin nor end a group (RFC 9309 section 2.2.4).
    ("User-agent: scrapeq\nfoo: bar\nUser-agent: other\nDisallow: /", "/x", False),
    ("User-agent: scrapeq\nCrawl-delay: 1\nUser-agent: other\nDisallow: /", "/x", False),
    ("User-agent: scrapeq\nSitemap: http://shop.example/s.xml\nUser-agent: other\nDisallow: /", "/x", False),
    ("User-agent: scrapeq\nnonsense\n\n# comment\nUser-agent: other\nDisallow: /", "/x", False),
    ("User-agent: scrapeq\nDisallow: /a\nHost: x\nDisallow: /b", "/b", False),
    ("User-agent: scrapeq\nDisallow: /a\nUser-agent: other\nDisallow: /b", "/b", True),
    ("User-agent: scrapeq\nDisallow: /a\nUser-agent: other\nUser-agent: scrapeq\nDisallow: /b", "/b", False),
    # The product token ends at the first other character, and is compared as a whole.
    ("User-agent: scrapeq/0.1\nDisallow: /", "/x", False),
    ("User-agent: scrapeq bot\nDisallow: /", "/x", False),
    ("User-agent: SCRAPEQ*\nDisallow: /", "/x", False),
    ("User-agent: scrapeq2\nDisallow: /", "/x", False),
    ("User-agent: scrape\nDisallow: /", "/x", True),
    ("User-agent: s\nDisallow: /", "/x", True),
    ("User-agent: scrapeq-bot\nDisallow: /", "/x", True),
    ("User-agent: scrapeqbot\nDisallow: /", "/x", True),
    ("User-agent: *scrapeq\nDisallow: /", "/x", True),
    ("User-agent:\nDisallow: /", "/x", True),
    ("User-agent: * # all\nDisallow: /", "/x", False),
    ("User-agent: * scrapers\nDisallow: /", "/x", False),
    # A group of the crawler's own replaces the group of all crawlers, even if it is empty.
    ("User-agent: *\nDisallow: /\nUser-agent: scrapeq\nDisallow:", "/x", True),
    ("User-agent: *\nUser-agent: scrapeq\nDisallow: /a\nUser-agent: *\nDisallow: /b", "/b", True),
    # Lines end with any of CR, LF and both; a colon may be missing; names have spaces and any case.
    ("User-agent: *\rDisallow: /a\r\n\r\nDisallow: /b", "/a", False),
    ("user-agent scrapeq\ndisallow /", "/x", False),
    ("User-agent: scrapeq\nDisallow: /a\nuser agent\nDisallow: /b", "/b", True),
    ("user agent scrapeq bot\nallow /a # why\ndisallow /", "/b", False),
    ("\ufeff  USER AGENT : scrapeq\n\tDisallow\t: /", "/x", False),
    ("Disallow: /\nUser-agent: scrapeq\nDisallow: /a", "/x", True),
]


@pytest.mark.parametrize(("robots", "path", "expected"), GROUPS)
def test_group_of_the_crawler_is_found_as_in_rfc_9309(robots: str, path: str, expected: bool) -> None:
    """The groups that name the crawler are merged, and those of other crawlers do not apply."""
    assert is_allowed(robots, path) is expected


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ("Disallow: /\nAllow: /go?to=http://a.example/x", "/go?to=http://a.example/x", True),
        ("Disallow: /\nAllow: /go?to=http://a.example/x", "/go?to=http%3a%2F%2fa.example/x", True),
        ("Disallow: /\nAllow: /go?to=http%3A%2F%2Fa.example", "/go?to=http://a.example/x", True),
        ("Disallow: /a%2fb", "/a/b", True),
        ("Disallow: /a%2fb", "/a%2Fb", False),
        ("Disallow: /a b", "/a%20b", False),
        ("Disallow: /caf\u00e9", "/caf%c3%a9", False),
        ("Disallow: /a%2Ab", "/axb", True),
        ("Disallow: /a$b", "/a$b", False),
        ("Disallow: /100%", "/100%", False),
        ("Disallow: *b", "/ab", False),
        ("Disallow: /a**b", "/axb", False),
        ("Disallow: /*.php$", "/a.php?x", True),
        ("Disallow: /*a*$", "/bab", False),
        ("Disallow: /a*a$", "/a", True),
        ("Disallow: /\nAllow: /shop/index.html", "/shop/", True),
        ("Disallow: /\nAllow: /shop/index.html", "/shop/x", False),
        ("Disallow: /", "/robots.txt", True),
    ],
)
def test_escapes_and_wildcards_are_matched(rules: str, path: str, expected: bool) -> None:
    """Escaped and raw characters match each other where they mean the same, and wildcards match any text."""
    assert is_allowed(f"User-agent: *\n{rules}", path) is expected


def test_crawl_delay_belongs_to_the_user_agent_lines_before_it() -> None:
    """A group that has nothing but a Crawl-delay does not pass it on to the next group."""
    robots = b"User-agent: other\nCrawl-delay: 3\nUser-agent: scrapeq\nDisallow: /a"
    assert RobotRules(robots, "scrapeq").crawl_delay == 0
    assert RobotRules(robots, "other").crawl_delay == 3


@pytest.mark.parametrize("delay", ["x", "-1", "nan", "inf", "1e999", ""])
def test_invalid_crawl_delay_is_ignored(delay: str) -> None:
    """A Crawl-delay that is no finite number above 0 is ignored."""
    assert RobotRules(f"User-agent: *\nCrawl-delay: {delay}".encode(), "scrapeq").crawl_delay == 0


@pytest.mark.parametrize("delay", ["86401", "1e300", "9" * 19])
def test_crawl_delay_is_limited_to_a_day(delay: str) -> None:
    """A Crawl-delay of years counts as a day, so that times can be computed with it."""
    rules = RobotRules(f"User-agent: *\nCrawl-delay: {delay}".encode(), "scrapeq")
    assert rules.crawl_delay == MAX_CRAWL_DELAY_SECONDS == 86400


def test_incomplete_last_line_is_ignored() -> None:
    """If a file is longer than the maximum, a rule that is cut does not apply as another rule."""
    robots = (
        b"User-agent: *\nDisallow: /private\n".ljust(MAX_ROBOTS_BYTES - 4, b"\n") + b"Allow: /private/public"
    )
    assert RobotRules(robots[: MAX_ROBOTS_BYTES - 4] + b"Disallow: /", "x").is_allowed(f"{SITE}/a")


def test_rules_of_other_crawlers_take_no_memory() -> None:
    """The groups of other crawlers are not kept."""
    names = b"".join(b"User-agent: bot%d\n" % number for number in range(16_000))
    rules = RobotRules(names + b"Disallow: /x\nUser-agent: scrapeq\nDisallow: /y", "scrapeq")
    assert rules.size < 200
    assert rules.is_allowed(f"{SITE}/x")
    assert not rules.is_allowed(f"{SITE}/y")


@pytest.mark.parametrize(
    "rule", ["Disallow: /%d\n", "Disallow: /*%d*\n", "User-agent: *\nAllow: /%d\n", "Allow:/%d\n"]
)
def test_largest_robots_txt_takes_bounded_memory(rule: str) -> None:
    """Parsing a file of 500 KiB takes at most 40 MiB, and the rules as much as their size says, or less."""
    body = ("User-agent: *\n" + "".join(rule % number for number in range(60_000))).encode()[
        :MAX_ROBOTS_BYTES
    ]
    tracemalloc.start()
    rules = RobotRules(body, "scrapeq")
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 2**20
    assert kept < 2.5 * rules.size + 2**20


@many_examples
@given(
    st.lists(st.tuples(st.booleans(), st.text("ab/*", min_size=1, max_size=6)), max_size=6),
    st.text("ab/", max_size=8),
    st.booleans(),
)
def test_longest_matching_rule_decides(rules: list[tuple[bool, str]], path: str, ends: bool) -> None:
    """The result is that of the longest pattern that matches as a regular expression, or else `allowed`."""
    lines = [f"{'Allow' if allows else 'Disallow'}: /{text}{'$' * ends}" for allows, text in rules]
    matching = {
        (len(re.sub(r"\*+", "*", text)), allows)
        for allows, text in rules
        if re.match("/" + re.escape(text).replace(r"\*", ".*") + ("$" if ends else ""), f"/{path}")
    }
    expected = max(matching, default=(0, True))[1]
    assert is_allowed("\n".join(["User-agent: *", *lines]), f"/{path}") is expected


@pytest.mark.parametrize(
    "body",
    [
        b"".join(b"User-agent: bot%d\n" % n for n in range(16_000)) + b"Disallow: /x\n" * 16_000,
        b"User-agent: *\n" + b"Disallow: /*a*a*a*a*a*b\n" * 20_000,
        b"User-agent: *\n" * 35_000,
        b"Disallow: /\n" * 40_000,
        b"\xff\xfe\x00" * 100_000,
        b"User-agent: *\nCrawl-delay: " + b"9" * 100_000,
    ],
    ids=["groups", "wildcards", "agents", "no group", "garbage", "delay"],
)
def test_hostile_robots_txt_is_parsed_and_matched(body: bytes) -> None:
    """A hostile robots.txt of up to 500 KiB is parsed and matched without an error and without hanging."""
    rules = RobotRules(body, "scrapeq")
    rules.is_allowed(f"{SITE}/" + "a" * 2000)
    assert rules.size <= 20 * MAX_ROBOTS_BYTES


@pytest.mark.parametrize(
    ("robots", "named"),
    [
        (b"", []),
        (b"Sitemap: https://a.example/1.xml\nsitemap:https://a.example/2.xml # two", ["1", "2"]),
        (b"\xef\xbb\xbfSITE-MAP : https://a.example/1.xml\r\nSitemap: https://a.example/1.xml", ["1"]),
        (b"User-agent: *\nDisallow: /\nSitemap: https://a.example/1.xml\nAllow: /x", ["1"]),
        (b"# Sitemap: https://a.example/1.xml\nSitemap:\nSitemaps: https://a.example/2.xml", []),
        (b"#" * MAX_ROBOTS_BYTES + b"\nSitemap: https://a.example/1.xml", []),
    ],
)
def test_sitemaps_of_a_robots_txt_are_read_once_each(robots: bytes, named: list[str]) -> None:
    """Sitemap records are read in any group and spelling, without comments and repetitions."""
    assert named_sitemaps(robots) == [f"https://a.example/{number}.xml" for number in named]
