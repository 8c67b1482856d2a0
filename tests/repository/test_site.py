"""The documentation builds as a site."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.repository.tree import ROOT
from tests.servers.requirements import skip_or_fail

#: what a browser loads by itself: scripts, pictures and style sheets, from another host
LOADED = re.compile(r"<(?:script|img|iframe|link)\b[^>]* (?:src|href)=\"?(https?:[^\s\">]+)[^>]*>")


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    """Every page is in the navigation, every link and anchor exists, and the pages work offline."""
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("material") is None:
        skip_or_fail("mkdocs is not installed (make test installs it)")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) > 25
    assert {page.name: found for page in pages if (found := LOADED.findall(page.read_text("utf-8")))} == {}
