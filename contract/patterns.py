"""Regular expressions of a recipe: Python's syntax, with an end to the time that one search takes.

Why this engine and no other is in docs/decisions/patterns-with-a-time-limit.md.
"""

import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import regex

Found = TypeVar("Found")

SEARCH_SECONDS = 0.25  #: of one search; a pattern that needs longer backtracks
MAX_SEARCHED_CHARACTERS = 1_000_000


class SearchFailed(ValueError):
    """A pattern took too long, or the text is longer than any pattern searches."""


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str, *, ignore_case: bool = False) -> "regex.Pattern[str]":
    """Return a pattern compiled, once for all pages.

    Raises:
        ValueError: for what Python's `re` does not take either; the message says where.
    """
    import regex  # noqa: PLC0415 - a fortieth of a second, which most cold starts need not spend

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # "[[a]" will mean something else one day
            re.compile(pattern)
        return regex.compile(pattern, regex.VERSION0 | (regex.IGNORECASE if ignore_case else 0))
    # "a{9999999999}", hundreds of brackets
    except (re.error, regex.error, FutureWarning, OverflowError, RecursionError) as wrong:
        raise ValueError(f"not a regular expression: {wrong}") from None


def check_pattern(pattern: str) -> str:
    """Return `pattern` if it compiles and has one group at most, the value; raise ValueError if not."""
    groups = compile_pattern(pattern).groups
    if groups > 1:
        raise ValueError(f"at most one group, the value; this pattern has {groups}")
    return pattern


def search(pattern: str, text: str) -> str | None:
    """Return the group of a pattern's first match, or all it matches; None where nothing does.

    Raises:
        SearchFailed: see there.
    """
    compiled = compile_pattern(pattern)
    match = limited(text, lambda: compiled.search(text, timeout=SEARCH_SECONDS))
    return None if match is None else match[compiled.groups] or ""


def limited(text: str, find: Callable[[], Found]) -> Found:
    """Return what `find` finds in `text`, if that is neither too long nor takes too long."""
    if len(text) > MAX_SEARCHED_CHARACTERS:
        raise SearchFailed(
            f"a pattern would search {len(text)} characters; at most {MAX_SEARCHED_CHARACTERS} are searched"
        )
    try:
        return find()
    except TimeoutError:
        raise SearchFailed(
            f"a pattern took longer than {SEARCH_SECONDS} s on {len(text)} characters: it backtracks"
        ) from None
