"""Tests that evaluating selectors leaks no memory, because a worker processes millions of pages."""

import subprocess
import sys

import pytest

from tests.repository.tree import ROOT

ALLOWED_KIB = 1024  #: maximum growth during 20,000 evaluations; a former leak was 2.6 MiB
GROWTH = """
from pathlib import Path
from lxml import etree
from extraction.selectors import compile_xpath, css_to_xpath
page, selector = etree.fromstring("<html><h1>One</h1></html>"), compile_xpath(css_to_xpath("h1::text"))
def resident_kib(): return int(Path("/proc/self/statm").read_text().split()[1]) * 4
def evaluate(times): all(selector(page) for _ in range(times)) or exit("nothing found")
evaluate(2_000)
before = resident_kib()
evaluate(20_000)
print(resident_kib() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_evaluating_a_selector_leaks_no_memory() -> None:
    """The memory of a separate process hardly grows while a selector is evaluated 20,000 times."""
    grown = subprocess.run(
        [sys.executable, "-c", GROWTH], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert int(grown.stdout) < ALLOWED_KIB
