"""Run a fast push endpoint: `python -m benchmarks.pubsub_endpoint --port P --delay 0.2`.

It is a minimal asyncio protocol, so that a benchmark measures the sender of the pushes and not the endpoint.
``GET /`` returns the number of POST requests that the endpoint received.
"""

import argparse
import asyncio
from typing import cast

import uvloop

RESPONSE = b"HTTP/1.1 204 No Content\r\n\r\n"


class Posts(asyncio.Protocol):
    """Responds to every POST with 204 after the delay, and counts the requests of all connections."""

    delay = 0.0  #: seconds between a request and its response
    count = 0  #: number of POST requests

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            if head.startswith(b"get "):
                text = b"%d" % Posts.count
                self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
                length = 0
            else:
                length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
                if len(self._buffer) < end + 4 + length:
                    return
                asyncio.get_running_loop().call_later(Posts.delay, self._answer)
            self._buffer = self._buffer[end + 4 + length :]

    def _answer(self) -> None:
        Posts.count += 1
        if not self._transport.is_closing():
            self._transport.write(RESPONSE)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Posts, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--delay", type=float, default=0.0, help="seconds")
    chosen = options.parse_args()
    Posts.delay = chosen.delay
    uvloop.run(_serve(chosen.port))


if __name__ == "__main__":
    main()
