"""Keeps the last pages of the recipe lab in memory, until a frame has shown them."""

import secrets
import threading
from collections import OrderedDict

MAX_PREVIEWS = 8


class Previews:
    """The last pages, by a random name. Thread-safe."""

    def __init__(self) -> None:
        self._pages: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, html: str) -> str:
        """Keep a page, and return its name; the oldest one is forgotten if there are too many."""
        name = secrets.token_hex(16)
        with self._lock:
            self._pages[name] = html
            while len(self._pages) > MAX_PREVIEWS:
                self._pages.popitem(last=False)
        return name

    def get(self, name: str) -> str | None:
        """Return a page; None if it is not kept any more."""
        with self._lock:
            return self._pages.get(name)
