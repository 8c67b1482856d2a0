"""Compiles and searches a recipe's regular expressions, with a time limit for each search. Pure.

The syntax is that of Python. docs/decisions/patterns-with-a-time-limit.md compares engines and explains the
choice.
"""

import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from extraction.errors import BadRecipe

if TYPE_CHECKING:
    import regex

Found = TypeVar("Found")

SEARCH_SECONDS = 0.25  #: time limit of one search; only a pattern that backtracks takes longer
MAX_SEARCHED_CHARACTERS = 1_000_000


class SearchFailed(BadRecipe):
    """A search took too long, or the text is longer than `MAX_SEARCHED_CHARACTERS`."""


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str, *, ignore_case: bool = False) -> "regex.Pattern[str]":
    """Return the compiled pattern, which is cached for later pages.

    Raises:
        BadRecipe: if Python's `re` or `regex` rejects the pattern; the message gives the position.
    """
    import regex  # noqa: PLC0415 - the import takes 25 ms, and most recipes have no pattern

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # for example "[[a]", whose meaning may change
            re.compile(pattern)
        return regex.compile(pattern, regex.VERSION0 | (regex.IGNORECASE if ignore_case else 0))
    # "a{9999999999}" raises OverflowError; hundreds of nested brackets raise RecursionError.
    except (re.error, regex.error, FutureWarning, OverflowError, RecursionError) as error:
        raise BadRecipe(f"not a regular expression: {error}") from None


def check_pattern(pattern: str) -> None:
    """Check that a pattern compiles and has at most one group.

    Raises:
        ValueError: if the pattern does not compile or has several groups.
    """
    groups = compile_pattern(pattern).groups
    if groups > 1:
        raise ValueError(f"a pattern has at most one group, which is the value; this pattern has {groups}")


def search(pattern: str, text: str) -> str | None:
    """Return the group of the first match, or the whole match if there is no group; None if nothing matches.

    Raises:
        SearchFailed: if the search takes longer than `SEARCH_SECONDS`, or the text is too long.
    """
    compiled = compile_pattern(pattern)
    match = search_within_limits(text, lambda: compiled.search(text, timeout=SEARCH_SECONDS))
    return None if match is None else match[compiled.groups] or ""


def search_within_limits(text: str, find: Callable[[], Found]) -> Found:
    """Return the result of `find`, which searches `text` with a timeout of `SEARCH_SECONDS`.

    Raises:
        SearchFailed: if the text is too long, or `find` raises TimeoutError.
    """
    if len(text) > MAX_SEARCHED_CHARACTERS:
        raise SearchFailed(
            f"a pattern would search {len(text)} characters; the maximum is {MAX_SEARCHED_CHARACTERS}"
        )
    try:
        return find()
    except TimeoutError:
        raise SearchFailed(
            f"a pattern took longer than {SEARCH_SECONDS} s on {len(text)} characters: it backtracks"
        ) from None
