"""Serves ranges of a file, as web servers do for plain files."""

from collections.abc import Callable

from tests.servers.site import PendingRequest, http


def ranges(body: bytes, *headers: str) -> Callable[[PendingRequest], None]:
    """Return a response of a `Site` that serves the file, or its bytes from any byte on."""

    def respond(request: PendingRequest) -> None:
        start = requested_start(request)
        found = () if start is None else (content_range(body, start),)
        request.send(http(200 if start is None else 206, body[start or 0 :], *headers, *found))

    return respond


def requested_start(request: PendingRequest) -> int | None:
    """Return the byte at which the requested range begins; None if the whole file is requested."""
    asked = request.request.headers.get("range", "")
    return int(asked.removeprefix("bytes=").removesuffix("-")) if asked else None


def content_range(body: bytes, start: int) -> str:
    """Return the header field of a response with the bytes from `start` on."""
    return f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}"
