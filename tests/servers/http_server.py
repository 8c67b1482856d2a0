"""Runs a standards-compliant HTTP server (pytest-httpserver); a function returns its responses."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
