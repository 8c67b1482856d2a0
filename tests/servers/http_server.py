"""Runs HTTP servers: pytest-httpserver with a function that returns the responses, or any socketserver."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import BaseServer

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response


@contextmanager
def serving(respond: Callable[[Request], Response], host: str = "127.0.0.1") -> Iterator[str]:
    """Serve on a free port until the block ends, with a thread for each request.

    Args:
        respond: returns the response to a request.
        host: the address to listen on.

    Yields:
        The server's URL without a slash at its end.
    """
    with HTTPServer(host=host, threaded=True) as server:
        server.expect_request(re.compile(".*")).respond_with_handler(respond)
        yield f"http://{host}:{server.port}"


@contextmanager
def serving_in_thread(server: BaseServer) -> Iterator[None]:
    """Handle the requests of an open server in a thread until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
