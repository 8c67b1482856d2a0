"""Raises the limit of open files, because the connection of each open push is an open file."""

import logging
import resource
from typing import Final

#: Open files for everything but the pushes of one subscription: the connections of clients and of other
#: subscriptions' pushes, and the files of the store and of exports.
OTHER_FILES: Final = 1024

_log = logging.getLogger("localpubsub.open_files")


def allow_open_pushes(wanted: int) -> int:
    """Raise this process's soft limit of open files as needed; return how many pushes may be open.

    If the hard limit is too low, log it, and return fewer pushes than ``wanted``: with more of them the
    server could no longer accept connections.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    except (OSError, ValueError):  # for example macOS's kern.maxfilesperproc is below the hard limit
        limit = soft
    if limit == needed:
        return wanted
    pushes = min(wanted, max(limit - OTHER_FILES, limit // 2))
    _log.warning(
        "open_files_limited limit=%s needed=%s: at most %s pushes of a subscription are open at the same "
        "time; raise the hard limit (ulimit -Hn) or lower --max-outstanding",
        limit,
        needed,
        pushes,
    )
    return pushes
