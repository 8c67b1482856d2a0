"""Drives the installed Chromium with Playwright."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.servers.chromium import chromium_path
from tests.servers.requirements import skip_or_fail

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@contextmanager
def open_browser() -> Iterator["Browser"]:
    """Yield a headless Chromium; skip the test if it or Playwright is not installed."""
    path = chromium_path()
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it has no wheel for some platforms
    except ModuleNotFoundError:
        skip_or_fail("playwright is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()
