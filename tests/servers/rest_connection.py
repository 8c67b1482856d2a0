"""Sends requests to the REST API of localpubsub, also invalid ones, and checks the form of the responses."""

import http.client
import json
import urllib.parse
from typing import Any, TypeAlias

Json: TypeAlias = Any


class RestConnection:
    """Sends requests over one connection.

    Attributes:
        address: host and port of the server.
    """

    def __init__(self, http_url: str) -> None:
        self.address = urllib.parse.urlsplit(http_url).netloc
        self._connection = http.client.HTTPConnection(self.address, timeout=120)

    def send(self, method: str, path: str, body: Json = None, **headers: str) -> tuple[int, Json]:
        """Send a request, as JSON unless the body is bytes; return the status and JSON of the response."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self._connection.request(method, path, content, headers)
        response = self._connection.getresponse()
        text = response.read()
        assert response.headers["Content-Type"] == "application/json; charset=utf-8", text
        return response.status, json.loads(text) if text else None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def send_invalid(self, method: str, path: str, body: Json = None) -> tuple[int, str, str]:
        """Send a request; return the HTTP status, the code and the message of its error."""
        status, response = self.send(method, path, body)
        assert response["error"]["code"] == status
        return status, response["error"]["status"], response["error"]["message"]
