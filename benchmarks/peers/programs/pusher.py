"""A bare HTTP pusher: posts a push for each URL, with a fixed number in flight, without a queue or a disk.

Arguments: number of pushes in flight, URL of the worker.
"""

import asyncio
import base64
import json
import sys
from collections.abc import Iterator
from contextlib import suppress

import aiohttp

from benchmarks.peers.programs.page import batches


async def push(session: aiohttp.ClientSession, worker: str, urls: Iterator[str]) -> None:
    """Push URLs until none is left; a push that fails is repeated."""
    for url in urls:
        data = base64.b64encode(json.dumps({"url": url}).encode()).decode()
        body = json.dumps({"message": {"data": data, "messageId": "1"}, "subscription": "jobs"})
        while True:
            # gunicorn closes idle connections, which a push may be sent on.
            with suppress(aiohttp.ClientConnectionError):
                async with session.post(worker, data=body) as response:
                    if response.status == 204:
                        break


async def main(in_flight: int, worker: str) -> None:
    """Push the URLs of each batch."""
    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector) as session:
        lines = batches()
        while (urls := await asyncio.to_thread(next, lines, None)) is not None:
            rest = iter(urls)
            await asyncio.gather(*(push(session, worker, rest) for _ in range(in_flight)))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
