"""Raises the limit of open files, and recognizes the errors that mean that this machine has no more of them.

The connection of each open push is an open file, and needs a local port and buffers of the kernel, too.
"""

import errno
import logging
import socket
import sys
from importlib import import_module
from typing import Final

#: Open files for everything but pushes: the connections of clients, idle connections to endpoints, and the
#: files of the store and of exports.
OTHER_FILES: Final = 1024

#: Limits to try if the hard limit is "unlimited" or too high for the system, the highest first: macOS allows
#: kern.maxfilesperproc files at most, and 10,240 (OPEN_MAX) at least.
_FALLBACK_LIMITS: Final = (65_536, 10_240)

#: The errors of opening a file or a connection whose cause is this machine, not the other side: the process
#: or the system has no more files (EMFILE, ENFILE), memory or buffers, or local ports (EADDRNOTAVAIL).
_OUT_OF_RESOURCES: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)
_RESOLVER_OUT_OF_RESOURCES: Final = frozenset(
    getattr(socket, name) for name in ("EAI_MEMORY", "EAI_SYSTEM") if hasattr(socket, name)
)

_log = logging.getLogger("localpubsub.open_files")


def files_for_pushes(window: int) -> int:
    """Raise the limit of open files, and return how many of them pushes may use.

    The others are kept, because otherwise the server could not accept connections.

    Args:
        window: maximum number of open pushes of one subscription; fewer files are logged.
    """
    limit = raise_limit(window + OTHER_FILES)
    return max(limit - OTHER_FILES, limit // 2)


def raise_limit(needed: int) -> int:
    """Raise this process's soft limit of open files to the hard one; log it if that is below ``needed``.

    Returns:
        How many files can be open; ``sys.maxsize`` if that is not limited.
    """
    try:
        resource = import_module("resource")
    except ImportError:  # Windows does not limit the number of sockets
        return sys.maxsize
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited:
        return sys.maxsize
    for limit in (hard, *_FALLBACK_LIMITS):
        if limit != unlimited and limit <= soft:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except (OSError, ValueError):
            continue
        soft = sys.maxsize if limit == unlimited else limit
        break
    if soft < needed:
        _log.warning(
            "open_files_limited limit=%s needed=%s: fewer pushes are open at the same time; raise the hard "
            "limit (ulimit -Hn)",
            soft,
            needed,
        )
    return int(soft)


def is_out_of_resources(error: BaseException) -> bool:
    """Return whether an error of opening a file or a connection is the fault of this machine.

    The resolver reports "temporary failure" (EAI_AGAIN) if no name server responds, but also if it cannot
    open a socket. So this function then tries to open one.
    """
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return not has_free_file()
        return error.errno in _RESOLVER_OUT_OF_RESOURCES
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, OSError) and error.errno in _OUT_OF_RESOURCES


def has_free_file() -> bool:
    """Return whether this process can open another file now; it opens and closes a socket."""
    try:
        socket.socket().close()
    except OSError:
        return False
    return True
