"""What every system does with a page: fetch it, extract it, and store one JSON result.

The environment variable RESULTS names the directory of the results. Each process appends to its own file.
"""

import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import parsel
import requests

_local = threading.local()


def scrape(url: str) -> None:
    """Fetch a page, extract it and store the result. The caller acknowledges the job afterwards."""
    store(url, extract(fetch(url)))


def fetch(url: str) -> bytes:
    """Return the body of a page; each thread (or greenlet) has its own connections."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    response = _local.session.get(url, timeout=60)
    response.raise_for_status()
    return bytes(response.content)


def extract(body: bytes) -> dict[str, Any]:
    """Return title, headings, links, first paragraph and hash of a page."""
    # Without the type, parsel reads pages that begin with `<?xml` as XML, and CSS selectors find nothing.
    page = parsel.Selector(body=body, encoding="utf-8", type="html")
    return {
        "title": page.css("title::text").get(),
        "headings": ["".join(each.xpath(".//text()").getall()) for each in page.css("h1, h2, h3")],
        "links": page.css("a::attr(href)").getall(),
        "first_paragraph": "".join(page.xpath("(//p)[1]//text()").getall()),
        "sha256": hashlib.sha256(body).hexdigest(),
    }


def store(url: str, result: dict[str, Any]) -> None:
    """Append a result, as one line of JSON, to the file of this process."""
    line = json.dumps({"url": url, **result}) + "\n"
    os.write(_results_file(os.getpid()), line.encode())


_files: dict[int, int] = {}


def _results_file(pid: int) -> int:
    if pid not in _files:  # the process may be a fork of one that has opened its file already
        path = Path(os.environ["RESULTS"], f"{pid}.jsonl")
        _files[pid] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    return _files[pid]


def batches() -> Iterator[list[str]]:
    """Yield a list of URLs for each line of the standard input, which names a file of URLs.

    When the next list is asked for, the one before has been sent; then a file FILE.sent is made.
    """
    for line in sys.stdin:
        file = Path(line.strip())
        yield file.read_text().split()
        file.with_suffix(".sent").touch()
