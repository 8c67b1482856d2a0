"""The memory of a dispatcher process stays bounded, whatever a sitemap of the maximum size contains."""

import gzip
import sys
from collections.abc import Iterator

import pytest

from tests.servers.dispatcher_process import DispatcherProcess, running_dispatcher
from tests.servers.site import Site, http, running_site

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak memory is read from /proc")
SIZE = 16 * 1024 * 1024  #: bytes of a sitemap
#: Memory in bytes that reading one sitemap may take: its bytes twice, and room for everything else.
MAX_GROWTH = 2 * SIZE + 32 * 1024 * 1024


@pytest.fixture(scope="module")
def dispatcher() -> Iterator[DispatcherProcess]:
    """A dispatcher process."""
    variables = {"SITEMAP_BUDGET_SECONDS": "200", "SITEMAP_MAX_BYTES": str(SIZE)}
    with running_dispatcher(**variables) as dispatcher, running_site() as site:
        dispatcher.dispatch({"sitemap": site.add("/sitemap.xml", http(200, b"<urlset></urlset>"))})
        yield dispatcher


@pytest.fixture(scope="module")
def memory(dispatcher: DispatcherProcess) -> int:
    """The memory of the dispatcher after a small sitemap, in bytes."""
    return dispatcher.peak_memory()


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"<urlset><url>", b"<loc>x</loc>"),
        (b"<urlset><url><loc>", b"x<!---->"),
        (b"", b"ab\n"),
        (b"<urlset>", "<a>\N{GRINNING FACE}</a>".encode()),
        (b"", b"x"),
    ],
    ids=["addresses of one entry", "parts of one address", "short lines", "wide characters", "one line"],
)
def test_hostile_sitemap_takes_bounded_memory(
    site: Site, dispatcher: DispatcherProcess, memory: int, begin: bytes, piece: bytes
) -> None:
    """A sitemap of 16 MiB takes less than 64 MiB of memory; it once took up to 500 MB."""
    body = (begin + piece * (SIZE // len(piece)))[:SIZE]
    response = dispatcher.dispatch({"sitemap": site.add("/sitemap.xml", http(200, body))})
    assert response["published"] == 0
    assert response["error"]
    assert dispatcher.peak_memory() - memory < MAX_GROWTH


def test_gzipped_sitemap_of_empty_elements_is_refused(site: Site, dispatcher: DispatcherProcess) -> None:
    """51 KB that decode to 13 million empty elements are refused as a decompression bomb."""
    body = gzip.compress(b"<urlset><url>" + b"<a/>" * 13_000_000)
    response = dispatcher.dispatch({"sitemap": site.add("/sitemap.xml.gz", http(200, body))})
    assert "the maximum ratio is 200" in response["error"]
