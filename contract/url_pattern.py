"""Matches URLs with patterns such as `https://shop.example/books/*`. Pure."""

from typing import Annotated

from pydantic import AfterValidator

MAX_PATTERN_CHARACTERS = 500


def check_url_pattern(pattern: str) -> str:
    """Return a pattern that `matches` accepts.

    Raises:
        ValueError: if the pattern is empty or too long.
    """
    if not pattern.strip():
        raise ValueError("the pattern is empty; * matches every URL")
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise ValueError(f"it has {len(pattern)} characters; the maximum is {MAX_PATTERN_CHARACTERS}")
    return pattern.strip()


def matches(pattern: str, url: str) -> bool:
    """Return whether a pattern matches the whole URL.

    `*` stands for any characters, also for none, and everything else for itself. Patterns are not regular
    expressions, since those have special characters in nearly every URL, and can take minutes on a URL that
    a site has chosen.
    """
    head, *rest = pattern.split("*")
    if not rest:
        return pattern == url
    *middle, tail = rest
    place = len(head)
    if not url.startswith(head) or len(url) < place + len(tail):
        return False
    end = len(url) - len(tail)
    for part in middle:  # the first place of each part leaves the most room for the parts after it
        found = url.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return url.endswith(tail)


UrlPattern = Annotated[str, AfterValidator(check_url_pattern)]
