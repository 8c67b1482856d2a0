"""Reads files that the operator names, up to a maximum size."""

from itertools import islice
from pathlib import Path

from console.errors import UsageError
from console.suggestion import did_you_mean

MAX_NAMES = 10_000  #: maximum number of files of a directory among which a similar name is sought


def read_bounded(path: Path, max_bytes: int, kind: str) -> bytes:
    """Return the content of a file.

    Args:
        path: the file.
        max_bytes: maximum size of the file.
        kind: what the file contains, with its article (`a crawl`), for the error message.

    Raises:
        UsageError: the file cannot be read or is larger than `max_bytes`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.{_similar_file(path)}") from None
    if len(content) > max_bytes:
        raise UsageError(f"{path} is larger than {max_bytes} bytes, the maximum size of {kind}.")
    return content


def _similar_file(path: Path) -> str:
    """Return a question about a file of the same directory, if the given one is missing."""
    try:
        if path.exists():
            return ""
        names = [each.name for each in islice(path.parent.iterdir(), MAX_NAMES) if each.is_file()]
    except OSError:
        return ""
    return did_you_mean(path.name, names)
