"""The REST door of a running server, with whatever may be sent to it."""

import http.client
import json
import socket
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

import localpubsub
from localpubsub.api import rest_routes
from localpubsub.api.rest import MAX_BODY

Json: TypeAlias = Any

TOPIC = "/v1/projects/p/topics/ttt"
SUBSCRIPTION = "/v1/projects/p/subscriptions/sss"


class Door:
    """Sends requests over one connection."""

    def __init__(self, server: localpubsub.RunningServer) -> None:
        self.address = urllib.parse.urlsplit(server.http_url).netloc
        self._connection = http.client.HTTPConnection(self.address, timeout=120)

    def send(self, method: str, path: str, body: Json = None, **headers: str) -> tuple[int, Json]:
        """Status and JSON of an answer; what is not bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self._connection.request(method, path, content, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8", text
        return answer.status, json.loads(text) if text else None

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def refused(self, method: str, path: str, body: Json = None) -> tuple[int, str, str]:
        """HTTP status, status and message of an error."""
        status, answer = self.send(method, path, body)
        assert answer["error"]["code"] == status
        return status, answer["error"]["status"], answer["error"]["message"]


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """Of a server with one topic and one subscription."""
    setup = {
        "topics": ["projects/p/topics/ttt"],
        "subscriptions": [{"name": "projects/p/subscriptions/sss", "topic": "projects/p/topics/ttt"}],
    }
    with localpubsub.running(setup=setup) as server:
        door = Door(server)
        yield door
        door.close()


REFUSED: dict[str, tuple[str, str, Json, tuple[int, str, str]]] = {
    "path": ("GET", "/v1/projects/p/nonsense", None, (404, "NOT_FOUND", "No method of Pub/Sub has the path")),
    "line feed": ("GET", "/v1/%0A", None, (404, "NOT_FOUND", "No method")),
    "method": ("POST", TOPIC, None, (404, "NOT_FOUND", "No method")),
    "broken": ("POST", f"{TOPIC}:publish", b'{"messages": [', (400, "INVALID_ARGUMENT", "Expecting value")),
    "not UTF-8": ("POST", f"{TOPIC}:publish", b"\xff", (400, "INVALID_ARGUMENT", "utf-8")),
    "no object": (
        "POST",
        f"{TOPIC}:publish",
        [],
        (400, "INVALID_ARGUMENT", "Root element must be a message"),
    ),
    "deep": ("POST", f"{TOPIC}:publish", b"[" * 100_000, (400, "INVALID_ARGUMENT", "nested too deeply")),
    "unknown": (
        *("PUT", "/v1/projects/p/topics/new", {"lables": {}}),
        (400, "INVALID_ARGUMENT", "Unknown name \"lables\" at 'Topic': Cannot find field."),
    ),
    "unknown within": (
        *("POST", f"{TOPIC}:publish", {"messages": [{"data": "aGk="}, {"dat": ""}]}),
        (400, "INVALID_ARGUMENT", "Unknown name \"dat\" at 'PublishRequest.messages[1]': Cannot find field."),
    ),
    "type": (
        *("POST", f"{SUBSCRIPTION}:pull", {"maxMessages": "many"}),
        (400, "INVALID_ARGUMENT", "maxMessages"),
    ),
    "base64": (
        *("POST", f"{TOPIC}:publish", {"messages": [{"data": "a"}]}),
        (400, "INVALID_ARGUMENT", "data"),
    ),
    "query": (
        *("GET", "/v1/projects/p/topics?pageSise=3", None),
        (400, "INVALID_ARGUMENT", 'Unknown name "pageSise": Cannot bind query parameter'),
    ),
    "alt": ("GET", "/v1/projects/p/topics?alt=media", None, (400, "INVALID_ARGUMENT", "alt")),
    "mask": (
        *("PATCH", SUBSCRIPTION, {"subscription": {}, "updateMask": "nonsense"}),
        (400, "INVALID_ARGUMENT", "update_mask"),
    ),
    "size": ("POST", f"{TOPIC}:publish", b" " * (MAX_BODY + 1), (400, "INVALID_ARGUMENT", "10485760 bytes")),
}


@pytest.mark.parametrize(("method", "path", "body", "error"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_request_is_explained(
    door: Door, method: str, path: str, body: Json, error: tuple[int, str, str]
) -> None:
    """Google's body, the right status, and a sentence that names the field."""
    status, code, message = door.refused(method, path, body)
    assert (status, code) == error[:2]
    assert error[2] in message


def test_what_is_not_offered_is_501(door: Door) -> None:
    """Every method of the API has its path, whether localpubsub offers it or not."""
    for name, method, template, _ in rest_routes.TABLE:
        path = template.replace("*", "missing")
        for part in ("{", "}", *(f"{field}=" for field in ("name", "topic", "subscription", "project"))):
            path = path.replace(part, "")
        if "=" in path:
            continue
        status, code, message = _status(door, method, path)
        assert status != 500, (name, message)
        if status == 501:
            assert (code, message) == ("UNIMPLEMENTED", f"localpubsub does not offer {name} yet.")


def _status(door: Door, method: str, path: str) -> tuple[int, str, str]:
    status, answer = door.send(method, path, None if method in {"GET", "DELETE"} else {})
    error = answer.get("error", {})
    return status, error.get("status", "OK"), error.get("message", "")


def test_the_update_mask_takes_both_spellings(door: Door) -> None:
    """Google's servers take camelCase and the names of the proto files."""
    for mask, seconds in (("ackDeadlineSeconds", 33), ("ack_deadline_seconds", 34)):
        body = {"subscription": {"ack_deadline_seconds": seconds}, "updateMask": mask}
        assert door.send("PATCH", SUBSCRIPTION, body)[1]["ackDeadlineSeconds"] == seconds


@pytest.mark.parametrize("given", ["one", {"one": 1}, 1])
def test_a_parameter_is_added_to_a_list_only(door: Door, given: Json) -> None:
    """What a body has in a list's place is named, not taken apart."""
    status, answer = door.send("POST", f"{SUBSCRIPTION}:acknowledge?ackIds=two", {"ackIds": given})
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert answer["error"]["message"] == "Invalid JSON payload received. 'ackIds' must be a list."


def test_null_is_as_if_it_were_not_there(door: Door) -> None:
    """https://protobuf.dev/programming-guides/json/#null."""
    for body in ({"ackIds": None}, {}):
        status, answer = door.send("POST", f"{SUBSCRIPTION}:modifyAckDeadline?ackIds=two", body)
        assert (status, "ack" in answer["error"]["message"].lower()) == (400, True)


def test_an_answer_is_as_the_caller_asks(door: Door) -> None:
    """Enums as numbers, and without white space."""
    for query, state in (
        ("", "ACTIVE"),
        ("?$alt=json;enum-encoding=int", 1),
        ("?%24prettyPrint=false", "ACTIVE"),
    ):
        assert door.send("GET", TOPIC + query)[1]["state"] == state


def test_a_caller_who_went_away_takes_no_message(door: Door) -> None:
    """A pull ends with its connection; what is published then is there for the next."""
    host, _, port = door.address.partition(":")
    with socket.create_connection((host, int(port))) as leaving:
        body = b'{"maxMessages": 1}'
        head = f"POST {SUBSCRIPTION}:pull HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        leaving.sendall(head.encode() + body)
        time.sleep(0.2)  # nothing tells that a pull waits
    time.sleep(0.2)  # nor that its end was noticed
    door.send("POST", f"{TOPIC}:publish", {"messages": [{"data": "aGk="}]})
    status, pulled = door.send("POST", f"{SUBSCRIPTION}:pull", {"maxMessages": 1, "returnImmediately": True})
    assert (status, len(pulled["receivedMessages"])) == (200, 1)


def test_a_pull_ends_when_its_caller_wants(door: Door) -> None:
    """Google's API clients say how long they wait."""
    headers = {"X-Server-Timeout": "0.3"}
    assert door.send("POST", f"{SUBSCRIPTION}:pull", {"maxMessages": 1}, **headers) == (200, {})


NAMES = st.sampled_from(
    [
        "v1",
        "v2",
        "projects",
        "topics",
        "subscriptions",
        "schemas",
        "p",
        "ttt",
        "sss",
        "..",
        "%2F",
        "%00",
        "a:b",
    ]
) | st.text(max_size=8).map(lambda text: urllib.parse.quote(text, safe=""))
VERBS = st.sampled_from(["", ":publish", ":pull", ":acknowledge", ":seek", ":setIamPolicy", ":nonsense", ":"])
FIELDS = st.sampled_from(
    ["name", "topic", "labels", "messages", "data", "attributes", "ackIds", "updateMask", "subscription",
     "pushConfig", "ttl", "messageRetentionDuration", "time", "policy", "ackDeadlineSeconds", "retryPolicy"]
) | st.text(max_size=5)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=8,
)
METHODS = st.sampled_from(["GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"])


@given(
    method=METHODS,
    path=st.builds("{}{}".format, st.lists(NAMES, max_size=6).map("/".join), VERBS),
    body=st.binary(max_size=30) | VALUES | st.dictionaries(FIELDS, VALUES, max_size=5),
    query=st.dictionaries(FIELDS, st.text(max_size=6), max_size=2),
)
def test_nothing_that_is_sent_is_our_bug(
    door: Door, method: str, path: str, body: Json, query: dict[str, str]
) -> None:
    """Random paths and bodies are answered in JSON, and never with 500."""
    _never_our_fault(door, method, f"/v1/{path}?{urllib.parse.urlencode(query)}", body)


@given(
    line=st.sampled_from(rest_routes.TABLE),
    body=st.dictionaries(FIELDS, VALUES, max_size=5),
    query=st.dictionaries(FIELDS, st.text(max_size=6), max_size=2),
)
def test_no_method_falls_over_a_body(
    door: Door, line: tuple[str, ...], body: Json, query: dict[str, str]
) -> None:
    """The same for the paths that exist."""
    _, method, template, _ = line
    path = template[: template.index("{")] + template[template.index("=") + 1 :].replace("}", "")
    path = path.replace("*", "p", 1).replace("*", "new")
    body.setdefault("returnImmediately", True)
    _never_our_fault(door, method, f"{path}?{urllib.parse.urlencode(query)}", body)


def _never_our_fault(door: Door, method: str, path: str, body: Json) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, answer = door.send(method, path, content)
    assert status != 500, answer
    if status >= 400:
        assert answer["error"]["code"] == status
        assert "Traceback" not in answer["error"]["message"]
