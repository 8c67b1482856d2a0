"""Keeps fetched pages for a day, so that a recipe can be developed without a request at each try.

A page is a file with mode 0600: a line of JSON about the page, and its body. Its name is a hash of the
request.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from console.private_files import make_private_directory, replace_private_file
from contract.request import PageRequest
from extraction.page import PageContent, SavedPage

MAX_AGE_SECONDS: Final = 24 * 3600.0  #: an older page is fetched again
MAX_BYTES: Final = 200 * 1024 * 1024  #: maximum size of all pages; the oldest ones are deleted
MAX_PAGE_BYTES: Final = 50 * 1024 * 1024  #: a larger file is not read
_SUFFIX: Final = ".page"


class CachedPage(NamedTuple):
    """A page that was fetched before, and its age in seconds."""

    page: SavedPage
    age_seconds: float


def cache_key(url: str, request: PageRequest, *, respect_robots: bool, settings: Mapping[str, str]) -> str:
    """Return the key of a page: the same only for the same request under the same rules."""
    request_document = request.model_dump(mode="json")  # secrets are names in it
    parts = [url, request_document, respect_robots, dict(settings)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class PageCache:
    """Pages in a directory.

    Args:
        directory: the directory; it is made with mode 0700 when the first page is kept.
        now: returns the Unix time in seconds.
        max_bytes: maximum size of all pages in bytes.
    """

    def __init__(
        self, directory: Path, now: Callable[[], float] = time.time, max_bytes: int = MAX_BYTES
    ) -> None:
        self._directory = directory
        self._now = now
        self._max_bytes = max_bytes

    def get(self, key: str) -> CachedPage | None:
        """Return a page; None if it is missing, too old or not readable."""
        try:
            with self._path(key).open("rb") as file:
                header = json.loads(file.readline(MAX_PAGE_BYTES))
                body = file.read(MAX_PAGE_BYTES)
            page = SavedPage(str(header["url"]), str(header["content_type"]), body)
            age = self._now() - float(header["fetched_at"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return CachedPage(page, age) if 0 <= age <= MAX_AGE_SECONDS else None

    def put(self, key: str, page: PageContent) -> None:
        """Keep a page, and delete pages that are too old or, the oldest first, too many.

        Raises:
            OSError: the page cannot be written.
        """
        make_private_directory(self._directory)
        header = {"url": page.url, "content_type": page.content_type, "fetched_at": self._now()}
        replace_private_file(self._path(key), json.dumps(header).encode() + b"\n" + page.body)
        self._prune()

    def _path(self, key: str) -> Path:
        return self._directory / f"{key}{_SUFFIX}"

    def _prune(self) -> None:
        files = []
        for path in self._directory.glob(f"*{_SUFFIX}"):
            with suppress(OSError):  # another command has deleted it
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        total = 0
        for modified, size, path in sorted(files, reverse=True):
            total += size
            if total > self._max_bytes or self._now() - modified > MAX_AGE_SECONDS:
                path.unlink(missing_ok=True)
