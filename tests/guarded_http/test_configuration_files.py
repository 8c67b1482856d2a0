"""Tests for reading the machine's files of name resolution."""

import os
from pathlib import Path

from guarded_http.configuration_files import WatchedFile, parse_hosts

HOSTS = """
127.0.0.1 localhost
::1 localhost ip6-localhost # the IPv6 loopback
10.0.0.7\tShop.Example.  shop # two names
10.0.0.7 shop
fe80::1%lo0 link
# 10.0.0.8 commented.example
not-an-address bad.example
10.0.0.9
"""


def test_hosts_file_maps_each_name_to_its_addresses() -> None:
    """Names are read in lower case, with all their addresses, and without comments and invalid lines."""
    assert parse_hosts(HOSTS) == {
        "localhost": ("127.0.0.1", "::1"),
        "ip6-localhost": ("::1",),
        "shop.example": ("10.0.0.7",),
        "shop": ("10.0.0.7",),
        "link": ("fe80::1%lo0",),
    }


def test_changed_file_is_read_again(tmp_path: Path) -> None:
    """A file is parsed again after it has changed, was replaced or removed, and only then."""
    path, parsed = tmp_path / "hosts", list[str]()

    def parse(text: str) -> str:
        parsed.append(text)
        return text

    file = WatchedFile(path, parse)
    assert (file.read(), file.read()) == ("", "")
    path.write_text("one")
    assert (file.read(), file.read()) == ("one", "one")
    replacement = tmp_path / "new"
    replacement.write_text("two")
    os.utime(replacement, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    replacement.rename(path)
    assert (file.read(), file.read()) == ("two", "two")
    path.unlink()
    assert file.read() == ""
    assert parsed == ["", "one", "two", ""]
