"""Scrapy with JOBDIR: one process, whose queue is on the disk; it has no acknowledgements.

Argument: number of concurrent requests. JOBDIR is in the directory that the environment variable DATA names.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response

from benchmarks.peers.programs.page import batches, extract, store


class Pages(scrapy.Spider):
    """Scrapes the URLs of each batch."""

    name = "pages"

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """Yield a request for each URL."""
        lines = batches()
        while (urls := await asyncio.to_thread(next, lines, None)) is not None:
            for url in urls:
                yield scrapy.Request(url)

    def parse(self, response: Response) -> None:
        """Extract a page and store the result."""
        store(response.url, extract(response.body))


if __name__ == "__main__":
    settings = {
        "CONCURRENT_REQUESTS": int(sys.argv[1]),
        "CONCURRENT_REQUESTS_PER_DOMAIN": int(sys.argv[1]),
        "DOWNLOAD_DELAY": 0,
        "JOBDIR": os.path.join(os.environ["DATA"], "jobs"),  # noqa: PTH118 - Scrapy expects a text
        "LOG_LEVEL": "WARNING",
        "TELNETCONSOLE_ENABLED": False,
    }
    process = CrawlerProcess(settings)
    process.crawl(Pages)
    process.start()
