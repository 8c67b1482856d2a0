"""Tests the rules of a robots.txt (RFC 9309): which URLs they allow, and that parsing is fast enough."""

import pytest

from worker.robots import MAX_ROBOTS_BYTES, RobotRules, product_token

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


def test_groups_of_other_crawlers_are_merged() -> None:
    """The groups of other crawlers are merged into one, because protego needs minutes for 16,000 groups."""
    names = b"".join(b"User-agent: bot%d\n" % number for number in range(16_000))
    rules = RobotRules(names + b"Disallow: /x\nUser-agent: scrapeq\nDisallow: /y", "scrapeq")
    assert rules.size < 100
    assert rules.is_allowed(f"{SITE}/x")
    assert not rules.is_allowed(f"{SITE}/y")


@pytest.mark.timeout(60)
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
    assert rules.size <= MAX_ROBOTS_BYTES
