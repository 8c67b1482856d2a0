"""Provides axe-core, which checks a page for barriers to people who use a keyboard or a screen reader."""

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.servers.requirements import skip_or_fail

if TYPE_CHECKING:
    from playwright.sync_api import Page

LOCK: Final = Path(__file__).parent / "axe"
#: Findings of these impacts are faults: https://github.com/dequelabs/axe-core/blob/develop/doc/API.md#results-object
SERIOUS: Final = frozenset({"serious", "critical"})


def installed_axe(folder: Path) -> str:
    """Return the source of axe-core, installed by npm into an empty folder; skip the test if it cannot be."""
    npm = shutil.which("npm")
    if npm is None:
        skip_or_fail("npm is not installed")
    for file in LOCK.glob("*.json"):
        shutil.copy(file, folder)
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        skip_or_fail(f"npm ci failed: {done.stderr[-500:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def serious_findings(page: "Page", axe: str) -> list[str]:
    """Return a line for each serious barrier of the page: the rule, and the element."""
    page.evaluate(axe)  # evaluated by the debugger, so the page's policy needs no exception
    found: list[dict[str, Any]] = page.evaluate("axe.run().then(result => result.violations)")
    return [
        f"{each['id']} ({each['help']}): {node['html'][:200]}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]
