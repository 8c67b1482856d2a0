"""Divides list responses into pages."""

from bisect import bisect_right
from collections.abc import Iterable

from localpubsub.resources.limits import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE


def list_page(names: Iterable[str], size: int, token: str) -> tuple[list[str], str]:
    """Return one page of the sorted names, and the token of the next page.

    The token is the last name of the page, or empty if there is no further page. A size of 0 means the
    default, and one above the maximum means the maximum.
    """
    ordered = sorted(names)
    start = bisect_right(ordered, token)
    end = start + min(size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    names_of_page = ordered[start:end]
    return names_of_page, names_of_page[-1] if end < len(ordered) else ""


def list_project_page(names: Iterable[str], project: str, size: int, token: str) -> tuple[list[str], str]:
    """Return one page of the names in a project, ``projects/P``; see ``list_page``."""
    prefix = project + "/"
    return list_page((name for name in names if name.startswith(prefix)), size, token)
