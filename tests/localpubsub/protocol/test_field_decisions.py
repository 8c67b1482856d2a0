"""Tests that every field and method of the locked google-cloud-pubsub has a decision, and that it is true."""

import asyncio
import importlib
from collections import Counter
from typing import Any, TypeAlias

import grpc
import pytest
from google.pubsub_v1 import types as official

import localpubsub
from localpubsub.api.services import make_services
from localpubsub.broker.broker import Broker
from localpubsub.clock import Clock
from localpubsub.protocol import messages
from localpubsub.protocol.calls import Services
from localpubsub.storage.store import Store
from tests.localpubsub.protocol.field_decisions import DECISIONS, KEPT, REFUSED

Descriptor: TypeAlias = Any  # protobuf publishes no types

PACKAGE = "google.pubsub.v1."
#: Classes of the client whose properties are the methods of a service.
TRANSPORTS = {
    "Publisher": ("publisher", "PublisherTransport"),
    "Subscriber": ("subscriber", "SubscriberTransport"),
    "SchemaService": ("schema_service", "SchemaServiceTransport"),
}


async def _services() -> Services:
    store = Store(None)
    broker = Broker(store, Clock())
    services = make_services(broker)
    await broker.close()
    store.close()
    return services


SERVICES = asyncio.run(_services())


def pairs(decision: dict[str, str]) -> list[str]:
    """Return ``Message.field`` for each field of a decision."""
    return [f"{message}.{field}" for message, fields in decision.items() for field in fields.split()]


def fields_of_requests() -> set[str]:
    """Return ``Message.field`` for each field that a request can contain, except below refused fields."""
    refused = set(pairs(REFUSED))
    found: set[str] = set()
    seen: set[str] = set()

    def add(descriptor: Descriptor) -> None:
        name = descriptor.full_name.removeprefix(PACKAGE)
        if name in seen or not descriptor.full_name.startswith(PACKAGE) or descriptor.GetOptions().map_entry:
            return
        seen.add(name)
        for field in descriptor.fields:
            found.add(f"{name}.{field.name}")
            if field.message_type is not None and f"{name}.{field.name}" not in refused:
                add(field.message_type)

    for service, methods in SERVICES.items():
        if service in TRANSPORTS:
            for method in methods.values():
                add(getattr(official, method.request.DESCRIPTOR.name).pb().DESCRIPTOR)
    return found


def test_every_field_of_the_client_has_one_decision() -> None:
    """Each field that the locked client can send is run, kept, output only, without effect or refused."""
    decided = Counter(pair for decision in DECISIONS for pair in pairs(decision))
    assert [pair for pair, count in decided.items() if count > 1] == []
    assert fields_of_requests() - set(decided) == set(), "decide in field_decisions.py what becomes of them"
    assert set(decided) - fields_of_requests() == set(), "these fields do not exist any more"


@pytest.mark.parametrize("service", TRANSPORTS)
def test_every_method_of_the_client_is_offered(service: str) -> None:
    """Each method of the locked client is offered."""
    module, name = TRANSPORTS[service]
    transport = getattr(importlib.import_module(f"google.pubsub_v1.services.{module}.transports"), name)
    properties = {name for name, value in vars(transport).items() if isinstance(value, property)}
    known = {"".join(word.title() for word in name.split("_")) for name in properties - {"host", "kind"}}
    assert known - set(SERVICES[service]) - set(SERVICES["google.iam.v1.IAMPolicy"]) == set()


def test_new_field_without_decision_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison reports a field that is missing in the table."""
    monkeypatch.setitem(KEPT, "Topic", KEPT["Topic"].replace("tags", ""))
    with pytest.raises(AssertionError, match=r"Topic\.tags"):
        test_every_field_of_the_client_has_one_decision()


def set_value(message: Any, field: Any) -> None:  # noqa: ANN401 - protobuf publishes no types
    """Set some value that is not the default in one field."""
    values = {field.CPPTYPE_STRING: "value", field.CPPTYPE_BOOL: True, field.CPPTYPE_ENUM: 2}
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value["key"] = "value"
    elif field.is_repeated:
        if field.message_type is not None:
            value.add()
        else:
            value.append("value")
    elif field.message_type is not None:
        value.SetInParent()
    else:
        setattr(message, field.name, values[field.cpp_type])


@pytest.mark.parametrize(
    "pair", [pair for pair in pairs(REFUSED) if pair.split(".")[0] in {"Topic", "Subscription"}]
)
def test_refused_field_fails_with_unimplemented_that_names_it(pair: str) -> None:
    """A topic or subscription with a refused field is not created; the error names the field."""
    message, field = pair.split(".")
    resource = getattr(messages, message)(name=f"projects/p/{message.lower()}s/new")
    if message == "Subscription":
        resource.topic = "projects/p/topics/ttt"
    set_value(resource, resource.DESCRIPTOR.fields_by_name[field])
    service = "Publisher" if message == "Topic" else "Subscriber"
    with (
        localpubsub.running(setup={"topics": ["projects/p/topics/ttt"]}) as server,
        grpc.insecure_channel(server.host) as channel,
    ):
        create: Any = channel.unary_unary(f"/google.pubsub.v1.{service}/Create{message}")
        with pytest.raises(grpc.RpcError) as failed:
            create(resource.SerializeToString())
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert field in (failed.value.details() or "")


def test_kept_fields_are_returned_and_output_only_fields_are_not() -> None:
    """A resource is returned with its kept fields, and without the values of its output-only fields."""
    topic = messages.Topic(name="projects/p/topics/ttt", kms_key_name="key", satisfies_pzs=True)
    topic.tags["123/environment"] = "test"
    topic.message_storage_policy.allowed_persistence_regions.append("europe-west1")
    topic.message_storage_policy.enforce_in_transit = True
    subscription = messages.Subscription(name="projects/p/subscriptions/sss", topic=topic.name, detached=True)
    subscription.tags["123/environment"] = "test"
    subscription.push_config.attributes["x-goog-version"] = "v1"
    subscription.analytics_hub_subscription_info.listing = "listing"
    with localpubsub.running() as server, grpc.insecure_channel(server.host) as channel:

        def create(method: str, resource: Any) -> Any:  # noqa: ANN401 - protobuf publishes no types
            call: Any = channel.unary_unary(f"/google.pubsub.v1.{method}")
            return type(resource).FromString(call(resource.SerializeToString()))

        made_topic = create("Publisher/CreateTopic", topic)
        made = create("Subscriber/CreateSubscription", subscription)
    assert (made_topic.kms_key_name, made_topic.tags["123/environment"]) == ("key", "test")
    assert made_topic.message_storage_policy == topic.message_storage_policy
    assert (made.tags["123/environment"], made.push_config) == ("test", subscription.push_config)
    assert (made_topic.satisfies_pzs, made.detached) == (False, False)
    assert not made.HasField("analytics_hub_subscription_info")


def test_unknown_field_of_a_newer_client_is_refused() -> None:
    """A field number that localpubsub does not know, at any depth, fails with UNIMPLEMENTED."""
    unknown = b"\xfa\x3e\x01x"  # Field 1007 with the text "x".
    topic = messages.Topic(name="projects/p/topics/ttt").SerializeToString()
    inner = len(unknown).to_bytes(1, "big") + unknown
    with localpubsub.running() as server, grpc.insecure_channel(server.host) as channel:
        create: Any = channel.unary_unary("/google.pubsub.v1.Publisher/CreateTopic")
        for encoded, place in ((topic + unknown, "Topic"), (topic + b"\x1a" + inner, "MessageStoragePolicy")):
            with pytest.raises(grpc.RpcError) as failed:
                create(encoded)
            assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
            assert f"1007 of google.pubsub.v1.{place}" in (failed.value.details() or "")
