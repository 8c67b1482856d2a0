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


CUT = """
import os, resource
from pathlib import Path
from contract.recipe import Markup
from extraction.document import Document
from extraction.page import SavedPage
page = SavedPage("https://a.example/", "text/html; charset=utf-8", b"<p>one <b>two</b></p>" * 20_000)
def data_kib():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmData:")[2].split()[0])
def paragraphs(mib):
    limit = data_kib() * 1024 + mib * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        return len(Document(page, Markup.HTML).root.findall(".//p"))
    except MemoryError:
        return 0
for mib in range(0, 32, 2):
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, str(paragraphs(mib)).encode())
        os._exit(0)
    os.close(write)
    print(os.read(read, 100).decode())
    os.close(read)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits all memory by RLIMIT_DATA")
def test_a_page_that_does_not_fit_into_the_memory_is_never_cut() -> None:
    """Whatever the limit of the memory, a page is parsed as a whole, or a MemoryError is raised."""
    found = subprocess.run(
        [sys.executable, "-c", CUT], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert set(found.stdout.split()) == {"0", "20000"}
