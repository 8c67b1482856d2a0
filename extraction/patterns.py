"""Compiles and searches a recipe's regular expressions, whose syntax is that of Python's `re`. Pure.

A search may take minutes and cannot be interrupted, so a page from outside is searched in a process with
limits (docs/decisions/extraction-in-child-processes.md).
"""

import re
import warnings
from functools import lru_cache

from extraction.errors import BadRecipe


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """Return the compiled pattern, which is cached for later pages.

    Raises:
        BadRecipe: if `re` rejects the pattern; the message gives the position.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # for example "[[a]", whose meaning may change
            return re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    # "a{9999999999}" raises OverflowError; hundreds of nested brackets raise RecursionError.
    except (re.error, FutureWarning, OverflowError, RecursionError) as error:
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
    """Return the group of the first match, or the whole match if there is no group; None without a match."""
    compiled = compile_pattern(pattern)
    match = compiled.search(text)
    return None if match is None else match[compiled.groups] or ""
