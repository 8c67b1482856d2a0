"""Reads files that the operator names, up to a maximum size."""

from pathlib import Path

from console.errors import UsageError


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
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if len(content) > max_bytes:
        raise UsageError(f"{path} is larger than {max_bytes} bytes, the maximum size of {kind}.")
    return content
