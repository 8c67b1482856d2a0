"""Tests of the cache of fetched pages, with a clock that the tests set."""

import os
from pathlib import Path

import pytest

from console.recipes.page_cache import MAX_AGE_SECONDS, PageCache, cache_key
from contract.request import PLAIN_GET, PageRequest
from extraction.page import SavedPage

PAGE = SavedPage("https://shop.example/1", "text/html; charset=latin-1", b"W\xf6rter\n\0 \n")


class Clock:
    """A clock that the tests set."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.time


@pytest.fixture
def clock() -> Clock:
    """Return a clock."""
    return Clock()


def test_page_is_kept_with_its_age_until_it_is_too_old(tmp_path: Path, clock: Clock) -> None:
    """The page has the same URL, type and bytes; after a day it is missing."""
    cache = PageCache(tmp_path / "pages", clock)
    assert cache.get("a") is None
    cache.put("a", PAGE)
    clock.time += 90
    assert cache.get("a") == (PAGE, 90)
    assert cache.get("b") is None
    clock.time += MAX_AGE_SECONDS
    assert cache.get("a") is None


def test_pages_are_readable_only_by_their_owner(tmp_path: Path, clock: Clock) -> None:
    """The directory has mode 0700 and each page 0600, since pages may be of a site with a login."""
    PageCache(tmp_path / "pages", clock).put("a", PAGE)
    assert (tmp_path / "pages").stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "pages").iterdir()] == [0o600]


def test_oldest_pages_are_deleted_above_the_maximum_size(tmp_path: Path) -> None:
    """After a page is kept, the newest pages below the maximum size remain."""
    cache = PageCache(tmp_path, max_bytes=3000)
    for name in "abcd":
        cache.put(name, SavedPage("https://shop.example/", "", bytes(1000)))
        path = tmp_path / f"{name}.page"
        times = path.stat().st_mtime_ns - (10 - ord(name) + ord("a")) * 10**9
        os.utime(path, ns=(times, times))
    cache.put("e", SavedPage("https://shop.example/", "", bytes(1000)))
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["d", "e"]


@pytest.mark.parametrize("content", [b"", b"{}\n", b"[]\nx", b"\xff\n", b'{"url": 1, "fetched_at": "x"}\n'])
def test_damaged_page_is_fetched_again(tmp_path: Path, clock: Clock, content: bytes) -> None:
    """A file that is no page counts as missing."""
    (tmp_path / "a.page").write_bytes(content)
    assert PageCache(tmp_path, clock).get("a") is None


def test_key_differs_for_each_part_of_a_request() -> None:
    """URL, request, robots.txt and the settings of the worker change the key; it has no text of them."""
    german = PageRequest.model_validate({"headers": {"Accept-Language": "de"}})
    keys = [
        cache_key("https://a.example/", PLAIN_GET, respect_robots=True, settings={}),
        cache_key("https://b.example/", PLAIN_GET, respect_robots=True, settings={}),
        cache_key("https://a.example/", german, respect_robots=True, settings={}),
        cache_key("https://a.example/", PLAIN_GET, respect_robots=False, settings={}),
        cache_key(
            "https://a.example/", PLAIN_GET, respect_robots=True, settings={"FETCH_ALLOW_NETWORKS": "::1"}
        ),
    ]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 64 for key in keys)
