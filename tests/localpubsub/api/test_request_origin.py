"""Tests that the HTTP port serves programs and its own page, and refuses other web pages."""

import http.client
import json
from collections.abc import Iterator

import pytest

import localpubsub
from localpubsub.background_server import RunningServer
from tests.servers.waiting import MAX_WAIT_SECONDS

TOPIC = "projects/p/topics/orders"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """A server that may also be addressed as `pubsub`."""
    with localpubsub.running(setup={"topics": [TOPIC]}, allowed_hosts=["pubsub"]) as server:
        yield server


def send(server: RunningServer, method: str, path: str, **headers: str) -> tuple[int, str]:
    """Send a request with these header fields, `_` for `-`; return status and body."""
    connection = http.client.HTTPConnection(server.http_url.removeprefix("http://"), timeout=MAX_WAIT_SECONDS)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, b"{}" if method == "POST" else None, fields)
    with connection.getresponse() as response:
        result = response.status, response.read().decode()
    connection.close()
    return result


PATHS = [("GET", "/"), ("GET", "/state.json"), ("GET", "/healthz"), ("GET", "/oauth2/v1/certs")]
PATHS += [("GET", f"/v1/{TOPIC}"), ("DELETE", f"/v1/{TOPIC}"), ("POST", f"/v1/{TOPIC}:publish")]
PATHS += [("OPTIONS", f"/v1/{TOPIC}"), ("POST", "/nowhere")]


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:8086"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
    ],
)
def test_request_of_a_web_page_is_refused_on_every_path(
    server: RunningServer, method: str, path: str, headers: dict[str, str]
) -> None:
    """A request with a foreign Host, Origin or site gets a 403 that says why, and the topic remains."""
    status, body = send(server, method, path, **headers)
    assert status == 403
    error = json.loads(body)["error"]
    assert error["status"] == "PERMISSION_DENIED"
    assert error["message"].startswith("The request was refused: ")
    assert send(server, "GET", f"/v1/{TOPIC}")[0] == 200


@pytest.mark.parametrize("host", ["localhost:8086", "127.0.0.1", "[::1]:8086", "pubsub:8086", "10.0.0.7"])
def test_request_of_a_program_is_served(server: RunningServer, host: str) -> None:
    """A request without Origin is served for localhost, any address, and the allowed names."""
    assert send(server, "GET", "/state.json", Host=host)[0] == 200


def test_own_page_may_request_the_state(server: RunningServer) -> None:
    """The origin of the state page is accepted."""
    host = server.http_url.removeprefix("http://")
    headers = {"Host": host, "Origin": f"http://{host}", "Sec_Fetch_Site": "same-origin"}
    assert send(server, "GET", "/state.json", **headers)[0] == 200


def test_name_of_the_listening_address_is_allowed() -> None:
    """The name in `host`, which is also in the printed URLs, needs no further option."""
    with localpubsub.running(host="localhost") as server:
        assert send(server, "GET", "/state.json", Host="localhost:1")[0] == 200


def test_request_of_a_web_page_to_the_grpc_port_is_refused(server: RunningServer) -> None:
    """The gRPC port, which serves HTTP/1.1 too, refuses the requests of web pages in the same way."""
    connection = http.client.HTTPConnection(server.host, timeout=MAX_WAIT_SECONDS)
    connection.request("DELETE", f"/v1/{TOPIC}", headers={"Origin": "http://evil.example"})
    assert connection.getresponse().status == 403
    connection.close()
    assert send(server, "GET", f"/v1/{TOPIC}")[0] == 200
