"""Raises the limit of open files, because the connection of each open push is an open file."""

import logging
import resource
from typing import Final

#: Open files for everything but the pushes of one subscription: the connections of clients and of other
#: subscriptions' pushes, and the files of the store and of exports.
OTHER_FILES: Final = 1024

_log = logging.getLogger("localpubsub.open_files")


def allow_open_pushes(wanted: int) -> int:
    """Raise the limit of open files as needed for ``wanted`` open pushes; return how many may be open.

    They are fewer if the limit cannot be raised enough: otherwise the server could not accept connections.
    """
    limit = raise_limit(wanted + OTHER_FILES)
    return min(wanted, max(limit - OTHER_FILES, limit // 2))


def raise_limit(needed: int) -> int:
    """Raise this process's soft limit of open files to ``needed``; log it if the hard limit is lower.

    Returns:
        ``needed``, or fewer files if no more can be opened.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed
    limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    except (OSError, ValueError):  # for example macOS's kern.maxfilesperproc is below the hard limit
        limit = soft
    if limit < needed:
        _log.warning(
            "open_files_limited limit=%s needed=%s: fewer pushes are open at the same time; raise the hard "
            "limit (ulimit -Hn)",
            limit,
            needed,
        )
    return limit
