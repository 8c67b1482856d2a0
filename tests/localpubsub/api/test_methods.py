"""Tests that the server offers every method of the official clients."""

import asyncio

import pytest
from google.pubsub_v1.services.publisher.transports import PublisherTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberTransport

from localpubsub.api.iam import IamService
from localpubsub.api.publisher import PublisherService
from localpubsub.api.subscriber import SubscriberService
from localpubsub.broker.broker import Broker
from localpubsub.clock import Clock
from localpubsub.storage.store import Store

#: Properties of a client's transport class that are not methods of its service.
NOT_METHODS = {"host", "kind"}
SERVICES = [(PublisherService, PublisherTransport), (SubscriberService, SubscriberTransport)]


async def offered(service: type[PublisherService | SubscriberService]) -> set[str]:
    """Return the names of the methods that localpubsub offers."""
    store = Store(None)
    broker = Broker(store, Clock())
    names = {*service(broker).methods(), *IamService(broker).methods()}
    await broker.close()
    store.close()
    return names


@pytest.mark.parametrize(("service", "transport"), SERVICES, ids=["Publisher", "Subscriber"])
def test_every_method_is_offered(
    service: type[PublisherService | SubscriberService], transport: type
) -> None:
    """All methods of Publisher, Subscriber and IAMPolicy in google-cloud-pubsub are offered."""
    properties = {name for name, value in vars(transport).items() if isinstance(value, property)}
    known = {"".join(word.title() for word in name.split("_")) for name in properties - NOT_METHODS}
    assert known
    assert asyncio.run(offered(service)) >= known
