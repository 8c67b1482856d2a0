"""What the machine can do: aiohttp and selectolax, without a queue. Two processes share the URLs.

Arguments: number of pages in flight, index of this process.
"""

import asyncio
import hashlib
import sys
from collections.abc import Iterator
from typing import Any

import aiohttp
from selectolax.lexbor import LexborHTMLParser

from benchmarks.peers.programs.page import batches, store


def extract(body: bytes) -> dict[str, Any]:
    """Return what `page.extract` returns, with another parser."""
    page = LexborHTMLParser(body)
    title, paragraph = page.css_first("title"), page.css_first("p")
    return {
        "title": title.text() if title else None,
        "headings": [each.text() for each in page.css("h1, h2, h3")],
        "links": [each.attributes["href"] for each in page.css("a[href]")],
        "first_paragraph": paragraph.text() if paragraph else "",
        "sha256": hashlib.sha256(body).hexdigest(),
    }


async def scrape(session: aiohttp.ClientSession, urls: Iterator[str]) -> None:
    """Scrape URLs until none is left."""
    for url in urls:
        async with session.get(url) as response:
            response.raise_for_status()
            store(url, extract(await response.read()))


async def main(in_flight: int, index: int) -> None:
    """Scrape every second URL of each batch."""
    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector) as session:
        lines = batches()
        while (urls := await asyncio.to_thread(next, lines, None)) is not None:
            share = iter(urls[index::2])
            await asyncio.gather(*(scrape(session, share) for _ in range(in_flight)))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
