"""Reads the files with which a machine configures name resolution, again after each change."""

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Generic, TypeVar

Parsed = TypeVar("Parsed")

HOSTS_FILE = Path("/etc/hosts")  #: hosts(5)
RESOLV_CONF = Path("/etc/resolv.conf")  #: resolv.conf(5)


class WatchedFile(Generic[Parsed]):
    """A file that is parsed when it is first needed, and again after it has changed.

    Args:
        path: the file. A missing or unreadable file counts as empty.
        parse: parses the text of the file.
    """

    def __init__(self, path: Path, parse: Callable[[str], Parsed]) -> None:
        self._path = path
        self._parse = parse
        self._current: tuple[object, Parsed] | None = None

    def read(self) -> Parsed:
        """Return the parsed content of the file as it is now."""
        version = self._version()
        current = self._current
        if current is None or current[0] != version:
            current = self._current = version, self._parse(self._text())
        return current[1]

    def _version(self) -> object:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _text(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def parse_hosts(text: str) -> dict[str, tuple[str, ...]]:
    """Return host name in lower case → its addresses, from the text of a hosts file (hosts(5)).

    A line whose first word is not an address is ignored, as the system's own resolver does.
    """
    hosts: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if _is_address(address):
            for name in names:
                key = name.rstrip(".").lower()
                hosts[key] = tuple(dict.fromkeys((*hosts.get(key, ()), address)))
    return hosts


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
