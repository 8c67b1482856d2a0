"""Tests of the REST API of a running server with valid, invalid and random requests."""

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
from tests.servers.rest_connection import RestConnection

Json: TypeAlias = Any

TOPIC = "/v1/projects/p/topics/ttt"
SUBSCRIPTION = "/v1/projects/p/subscriptions/sss"


@pytest.fixture(scope="module")
def rest() -> Iterator[RestConnection]:
    """A connection to a server with one topic and one subscription."""
    setup = {
        "topics": ["projects/p/topics/ttt"],
        "subscriptions": [{"name": "projects/p/subscriptions/sss", "topic": "projects/p/topics/ttt"}],
    }
    with localpubsub.running(setup=setup) as server:
        connection = RestConnection(server.http_url)
        yield connection
        connection.close()


#: The id of the test → method, path and body of the request, and the HTTP status, the code and a part of the
#: message of its error.
INVALID_REQUESTS: dict[str, tuple[str, str, Json, tuple[int, str, str]]] = {
    "path": ("GET", "/v1/projects/p/nonsense", None, (404, "NOT_FOUND", "No method of Pub/Sub has the path")),
    "line feed": ("GET", "/v1/%0A", None, (404, "NOT_FOUND", "No method")),
    "method": ("POST", TOPIC, None, (404, "NOT_FOUND", "No method")),
    "broken": ("POST", f"{TOPIC}:publish", b'{"messages": [', (400, "INVALID_ARGUMENT", "Expecting value")),
    "not UTF-8": ("POST", f"{TOPIC}:publish", b"\xff", (400, "INVALID_ARGUMENT", "utf-8")),
    "not an object": (
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
        (400, "INVALID_ARGUMENT", "Unknown name \"dat\" at 'messages[1]': Cannot find field."),
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
    "mask within": (
        *("PATCH", SUBSCRIPTION, {"subscription": {}, "updateMask": "pushConfig.nonsense"}),
        (400, "INVALID_ARGUMENT", "push_config.nonsense is not a list of fields of Subscription"),
    ),
    "size": ("POST", f"{TOPIC}:publish", b" " * (MAX_BODY + 1), (400, "INVALID_ARGUMENT", "10485760 bytes")),
}


@pytest.mark.parametrize(("method", "path", "body", "error"), INVALID_REQUESTS.values(), ids=INVALID_REQUESTS)
def test_invalid_request_is_rejected_with_a_reason(
    rest: RestConnection, method: str, path: str, body: Json, error: tuple[int, str, str]
) -> None:
    """An invalid request gets an error in Google's format with the reason in its message."""
    status, code, message = rest.send_invalid(method, path, body)
    assert (status, code) == error[:2]
    assert error[2] in message


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_damaged_compressed_body_is_rejected_with_400(coding: str) -> None:
    """A body that cannot be decompressed is rejected with a sentence, not with an internal error."""
    with localpubsub.running() as server:
        rest = RestConnection(server.http_url)
        headers = {"Content-Encoding": coding}
        status, response = rest.send("POST", f"{TOPIC}:publish", b"\xffdamaged", **headers)
        rest.close()
    assert (status, response["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert f"cannot be decoded (Content-Encoding: {coding})" in response["error"]["message"]


#: Statuses that gcloud repeats for half a minute before it shows their error: 429, and 500 or more.
RETRIED_BY_GCLOUD = (429, *range(500, 600))


def test_unimplemented_is_not_retried_by_gcloud(rest: RestConnection) -> None:
    """A field or method that localpubsub does not offer fails with UNIMPLEMENTED, a status below 500."""
    body = {"topic": "projects/p/topics/ttt", "bigtableConfig": {"table": "projects/p/instances/i/tables/t"}}
    status, code, message = rest.send_invalid("PUT", "/v1/projects/p/subscriptions/new", body)
    assert status not in RETRIED_BY_GCLOUD
    assert code == "UNIMPLEMENTED"
    assert "bigtable_config" in message


def test_every_path_of_the_rest_api_is_known(rest: RestConnection) -> None:
    """No method's path fails with "No method of Pub/Sub has the path", nor with an internal error."""
    for name, method, template, _ in rest_routes.TABLE:
        field, value = rest_routes.template_parts(template)
        path = template.replace(f"{{{field}={value}}}", value.replace("*", "missing"))
        status, response = rest.send(method, path, None if method in {"GET", "DELETE"} else {})
        error = response.get("error", {})
        assert status < 500, (name, error)
        assert "No method" not in error.get("message", ""), (name, error)


def test_schema_has_an_iam_policy_that_survives_its_oldest_revision(rest: RestConnection) -> None:
    """A schema's policy is stored and returned, also after the oldest revision was deleted."""
    schema = "/v1/projects/p/schemas/with-policy"
    definition = {"type": "AVRO", "definition": '{"type": "record", "name": "R", "fields": []}'}
    status, first = rest.send("POST", "/v1/projects/p/schemas?schemaId=with-policy", definition)
    assert status == 200
    rest.send("POST", f"{schema}:commit", {"schema": definition})
    binding = {"role": "roles/viewer", "members": ["user:reader@example.com"]}
    status, made = rest.send("POST", f"{schema}:setIamPolicy", {"policy": {"bindings": [binding]}})
    assert (status, made["bindings"]) == (200, [binding])
    assert rest.send("DELETE", f"{schema}:deleteRevision?revisionId={first['revisionId']}")[0] == 200
    assert rest.send("GET", f"{schema}:getIamPolicy") == (200, made)
    permissions = {"permissions": ["pubsub.schemas.get"]}
    assert rest.send("POST", f"{schema}:testIamPermissions", permissions) == (200, permissions)


def test_update_mask_of_an_iam_policy_is_followed(rest: RestConnection) -> None:
    """A policy keeps its bindings if the update mask names only another field."""
    binding = {"role": "roles/viewer", "members": ["user:reader@example.com"]}
    rest.send("POST", f"{TOPIC}:setIamPolicy", {"policy": {"bindings": [binding]}})
    body = {"policy": {"version": 3}, "updateMask": "version"}
    status, policy = rest.send("POST", f"{TOPIC}:setIamPolicy", body)
    assert (status, policy["bindings"], policy["version"]) == (200, [binding], 3)


def test_update_mask_may_be_camel_case_or_snake_case(rest: RestConnection) -> None:
    """A PATCH accepts an update mask in camelCase or in snake_case."""
    for mask, seconds in (("ackDeadlineSeconds", 33), ("ack_deadline_seconds", 34)):
        body = {"subscription": {"ack_deadline_seconds": seconds}, "updateMask": mask}
        assert rest.send("PATCH", SUBSCRIPTION, body)[1]["ackDeadlineSeconds"] == seconds


@pytest.mark.parametrize("value", ["one", {"one": 1}, 1])
def test_query_parameter_is_appended_to_a_list_only(rest: RestConnection, value: Json) -> None:
    """A query parameter for a list is rejected if the body has a value for it that is not a list."""
    status, response = rest.send("POST", f"{SUBSCRIPTION}:acknowledge?ackIds=two", {"ackIds": value})
    assert (status, response["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert response["error"]["message"] == "Invalid JSON payload received. 'ackIds' must be a list."


def test_null_field_counts_as_missing(rest: RestConnection) -> None:
    """A field with the value null is treated like a missing field (protobuf's JSON format)."""
    for body in ({"ackIds": None}, {}):
        status, response = rest.send("POST", f"{SUBSCRIPTION}:modifyAckDeadline?ackIds=two", body)
        assert (status, "ack" in response["error"]["message"].lower()) == (400, True)


def test_response_format_follows_the_system_parameters(rest: RestConnection) -> None:
    """The parameter alt changes enums to numbers, and prettyPrint=false is accepted."""
    for query, state in (
        ("", "ACTIVE"),
        ("?$alt=json;enum-encoding=int", 1),
        ("?%24prettyPrint=false", "ACTIVE"),
    ):
        assert rest.send("GET", TOPIC + query)[1]["state"] == state


def test_pull_of_a_disconnected_caller_leases_no_message(rest: RestConnection) -> None:
    """A pull ends when its caller disconnects; a later message is delivered to the next pull."""
    host, _, port = rest.address.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        body = b'{"maxMessages": 1}'
        head = f"POST {SUBSCRIPTION}:pull HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        time.sleep(0.2)  # No event announces that the pull waits.
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""  # The server has noticed the disconnection.
    rest.send("POST", f"{TOPIC}:publish", {"messages": [{"data": "aGk="}]})
    status, pulled = rest.send("POST", f"{SUBSCRIPTION}:pull", {"maxMessages": 1, "returnImmediately": True})
    assert (status, len(pulled["receivedMessages"])) == (200, 1)


def test_pull_ends_at_the_deadline_of_its_caller(rest: RestConnection) -> None:
    """A pull returns an empty response before the deadline in the header X-Server-Timeout."""
    headers = {"X-Server-Timeout": "0.3"}
    assert rest.send("POST", f"{SUBSCRIPTION}:pull", {"maxMessages": 1}, **headers) == (200, {})


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
def test_random_request_never_causes_an_internal_error(
    rest: RestConnection, method: str, path: str, body: Json, query: dict[str, str]
) -> None:
    """The response to random paths and bodies is JSON and never has status 500."""
    _assert_no_internal_error(rest, method, f"/v1/{path}?{urllib.parse.urlencode(query)}", body)


@given(
    route=st.sampled_from(rest_routes.TABLE),
    body=st.dictionaries(FIELDS, VALUES, max_size=5),
    query=st.dictionaries(FIELDS, st.text(max_size=6), max_size=2),
)
def test_random_body_never_causes_an_internal_error(
    rest: RestConnection, route: tuple[str, ...], body: Json, query: dict[str, str]
) -> None:
    """The response to a random body on an existing path is JSON and never has status 500."""
    _, method, template, _ = route
    path = template[: template.index("{")] + template[template.index("=") + 1 :].replace("}", "")
    path = path.replace("*", "p", 1).replace("*", "new")
    body.setdefault("returnImmediately", True)
    _assert_no_internal_error(rest, method, f"{path}?{urllib.parse.urlencode(query)}", body)


def _assert_no_internal_error(rest: RestConnection, method: str, path: str, body: Json) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, response = rest.send(method, path, content)
    assert status != 500, response
    if status >= 400:
        assert response["error"]["code"] == status
        assert "Traceback" not in response["error"]["message"]
