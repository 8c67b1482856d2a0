"""Finds the name that an operator probably meant. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return ` Did you mean NAME?` for the known name nearest to an unknown one; `""` if none is near.

    A name that begins with what was given comes first, because a long run id is often given only in part.
    """
    names = list(known)
    begun = [name for name in names if given and name.startswith(given)]
    similar = begun or get_close_matches(given, names, n=1)
    return f" Did you mean {similar[0]}?" if similar else ""
