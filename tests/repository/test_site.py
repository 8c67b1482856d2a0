"""Tests that the documentation can be built as a site."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.repository.tree import ROOT
from tests.servers.requirements import skip_or_fail

#: Elements that make a browser load a script, picture or style sheet from another host.
LOADED = re.compile(r"<(?:script|img|iframe|link)\b[^>]* (?:src|href)=\"?(https?:[^\s\">]+)[^>]*>")


def test_the_site_is_built_without_warnings_and_works_offline(tmp_path: Path) -> None:
    """Mkdocs reports no missing page, link or anchor, and no page loads a file from another host."""
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
