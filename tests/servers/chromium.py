"""Runs headless Chromium, the oracle for what a browser shows."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.servers.requirements import skip_or_fail
from tests.servers.waiting import MAX_WAIT_SECONDS


def chromium_path() -> str:
    """Return the path of Chromium; skip the test if it is not installed."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        skip_or_fail("Chromium is not installed (on Debian: apt install chromium)")
    return chromium


def chromium_command(profile: Path) -> list[str]:
    """Return the command that starts headless Chromium; skip the test if it is not installed.

    Args:
        profile: an empty directory, or that of an earlier run.
    """
    return [chromium_path(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]


def run_script(url: str, profile: Path) -> Any:  # noqa: ANN401 - JSON
    """Open a page, and return the JSON that its script has written into its only `<textarea>`.

    Chromium waits for the page's `load` event and for its frames.
    """
    result = subprocess.run(
        [*chromium_command(profile), "--dump-dom", url],
        capture_output=True,
        text=True,
        check=True,
        timeout=10 * MAX_WAIT_SECONDS,
    )
    [answer] = re.findall(r"<textarea>(.*)</textarea>", result.stdout, re.DOTALL)
    return json.loads(html.unescape(answer))
