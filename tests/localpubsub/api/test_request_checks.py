"""Tests that every method rejects malformed names and page sizes, over gRPC and REST."""

import asyncio
from collections.abc import Iterator
from typing import Any, TypeAlias

import grpc
import pytest

import localpubsub
from localpubsub.api.request_checks import NAME_FIELDS
from localpubsub.api.services import make_services
from localpubsub.broker.broker import Broker
from localpubsub.clock import Clock
from localpubsub.protocol.calls import Method, Services, StreamMethod
from localpubsub.protocol.messages import (
    CreateSchemaRequest,
    Schema,
    StreamingPullRequest,
    StreamingPullResponse,
)
from localpubsub.storage.store import Store
from tests.servers.rest_connection import RestConnection

RequestPb: TypeAlias = Any

#: Fields of requests that contain text, but no name of a resource.
NO_NAMES = {
    "filter",
    "kms_key_name",
    "page_token",
    "revision_id",
    "schema_id",
}
MALFORMED = ("nonsense", "projects/p/nonsense/name", "projects/p/topics/a b", "projects//topics/name", "")


async def _services() -> Services:
    store = Store(None)
    broker = Broker(store, Clock())
    services = make_services(broker)
    await broker.close()
    store.close()
    return services


#: Path of gRPC → method, for all unary methods.
METHODS = {
    f"/{service if '.' in service else f'google.pubsub.v1.{service}'}/{name}": method
    for service, methods in asyncio.run(_services()).items()
    for name, method in methods.items()
    if isinstance(method, Method)
}


@pytest.fixture(scope="module")
def server() -> Iterator[localpubsub.RunningServer]:
    """A server without resources."""
    with localpubsub.running() as running:
        yield running


@pytest.fixture(scope="module")
def channel(server: localpubsub.RunningServer) -> Iterator[grpc.Channel]:
    """A gRPC connection to the server."""
    with grpc.insecure_channel(server.host) as made:
        yield made


def call(channel: grpc.Channel, path: str, request: RequestPb) -> tuple[grpc.StatusCode, str]:
    """Call a unary method, which fails; return the code and the message of its error."""
    method: Any = channel.unary_unary(path, request_serializer=METHODS[path].request.SerializeToString)
    with pytest.raises(grpc.RpcError) as failed:
        method(request)
    return failed.value.code(), str(failed.value.details())


def request_with(method: Method, changed: str, value: str) -> RequestPb:
    """Return a request whose names are well-formed, except for one field with this value."""
    request = method.request()
    name = next(path for path in METHODS if METHODS[path] is method).rpartition("/")[2]
    for field in NAME_FIELDS[name]:
        collection = next(iter(field.collections), None)
        text = f"projects/p/{collection}/missing" if collection else "projects/p"
        *parents, last = field.path.split(".")
        parent = request
        for part in parents:
            parent = getattr(parent, part)
        setattr(parent, last, value if field.path == changed else text)
    return request


@pytest.mark.parametrize("path", METHODS)
def test_malformed_name_is_rejected_with_invalid_argument(channel: grpc.Channel, path: str) -> None:
    """Every method rejects a malformed name in each field that contains a name, and quotes the name."""
    method = METHODS[path]
    for field in NAME_FIELDS[path.rpartition("/")[2]]:
        for name in MALFORMED if not field.optional else MALFORMED[:-1]:
            code, message = call(channel, path, request_with(method, field.path, name))
            assert code is grpc.StatusCode.INVALID_ARGUMENT, (field.path, name, message)
            assert f"={name})" in message, (field.path, message)


def test_malformed_name_of_a_stream_is_rejected_with_invalid_argument(channel: grpc.Channel) -> None:
    """StreamingPull rejects a malformed name of the subscription."""
    stream: Any = channel.stream_stream(
        "/google.pubsub.v1.Subscriber/StreamingPull",
        request_serializer=StreamingPullRequest.SerializeToString,
        response_deserializer=StreamingPullResponse.FromString,
    )
    request = StreamingPullRequest(subscription="nonsense", stream_ack_deadline_seconds=10)
    with pytest.raises(grpc.RpcError) as rejected:
        next(stream(iter([request])))
    assert rejected.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("encoded", [b"\x0a\x03\xff\xfe\xfd", b"\x0a\xff\xff\xff\xff\x0f"])
@pytest.mark.parametrize("path", [*METHODS, "/google.pubsub.v1.Subscriber/StreamingPull"])
def test_undecodable_request_is_rejected_with_invalid_argument(
    channel: grpc.Channel, path: str, encoded: bytes
) -> None:
    """A text that is not UTF-8, and a length beyond the end, are the caller's fault and not UNKNOWN."""
    method: Any = channel.stream_stream(path)
    with pytest.raises(grpc.RpcError) as failed:
        list(method(iter([encoded])))
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Error parsing message" in str(failed.value.details())


@pytest.mark.parametrize("method", ["Acknowledge", "ModifyAckDeadline"])
def test_request_with_too_many_ack_ids_is_rejected(channel: grpc.Channel, method: str) -> None:
    """A request of more than 512 KiB is rejected with the sentence that clients know from Pub/Sub."""
    path = f"/google.pubsub.v1.Subscriber/{method}"
    request = METHODS[path].request(
        subscription="projects/p/subscriptions/missing", ack_ids=["x" * 182] * 2850
    )
    code, message = call(channel, path, request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message == "Request payload size exceeds the limit: 524288 bytes."
    del request.ack_ids[-60:]
    assert call(channel, path, request)[0] is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("method", ["ListSchemaRevisions", "DeleteSchema", "CommitSchema"])
def test_schema_that_must_be_given_without_revision_is_rejected_with_one(
    channel: grpc.Channel, method: str
) -> None:
    """A name with the id of a revision is malformed where a schema is meant, even if both exist."""
    service = "/google.pubsub.v1.SchemaService/"
    schema = Schema(type_=Schema.AVRO, definition='"string"')
    name = f"revised-{method}"
    create: Any = channel.unary_unary(
        f"{service}CreateSchema", CreateSchemaRequest.SerializeToString, Schema.FromString
    )
    created = create(CreateSchemaRequest(parent="projects/p", schema_id=name, schema=schema))
    path = service + method
    request = METHODS[path].request(name=f"{created.name}@{created.revision_id}")
    code, message = call(channel, path, request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "Invalid resource name" in message


def test_every_field_of_text_is_a_name_or_is_known_to_be_none() -> None:
    """Each field with text in a request is checked as a name, or is listed as one that is no name."""
    for path, method in METHODS.items():
        name = path.rpartition("/")[2]
        texts = {
            field.name
            for field in method.request.DESCRIPTOR.fields
            if field.cpp_type == field.CPPTYPE_STRING
            and not field.is_repeated
            and field.type == field.TYPE_STRING
        }
        names = {field.path for field in NAME_FIELDS[name]}
        assert texts <= names | NO_NAMES, name


def test_streams_are_those_that_check_names_themselves() -> None:
    """StreamingPull is the only method with streams, whose requests the common check cannot read."""
    services = asyncio.run(_services())
    streams = [
        name
        for methods in services.values()
        for name, method in methods.items()
        if isinstance(method, StreamMethod)
    ]
    assert streams == ["StreamingPull"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/projects/p/topics/1"),
        ("DELETE", "/v1/projects/p/subscriptions/a%20b"),
        ("GET", "/v1/projects/p%20q/topics"),
        ("POST", "/v1/projects/p/snapshots/1:setIamPolicy"),
        ("GET", "/v1/projects/p/schemas/1@2"),
    ],
)
def test_malformed_name_in_a_rest_path_is_rejected_with_400(
    server: localpubsub.RunningServer, method: str, path: str
) -> None:
    """The REST API rejects a malformed name in the path of a request with INVALID_ARGUMENT."""
    rest = RestConnection(server.http_url)
    status, code, message = rest.send_invalid(method, path)
    rest.close()
    assert (status, code) == (400, "INVALID_ARGUMENT")
    assert message.startswith("Invalid ")


@pytest.mark.parametrize("path", [path for path in METHODS if "List" in path])
def test_negative_page_size_is_rejected_with_invalid_argument(channel: grpc.Channel, path: str) -> None:
    """Every list method rejects a negative page size and quotes it."""
    request = request_with(METHODS[path], "", "")
    request.page_size = -5
    code, message = call(channel, path, request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "page_size given (value=-5)" in message
