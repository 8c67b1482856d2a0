"""Every call that the official clients offer is answered."""

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

#: Properties of a transport that are no methods of its service.
NOT_CALLS = {"host", "kind"}
SERVICES = [(PublisherService, PublisherTransport), (SubscriberService, SubscriberTransport)]


async def answered(service: type[PublisherService | SubscriberService]) -> set[str]:
    """Names of the methods that we answer."""
    store = Store(None)
    broker = Broker(store, Clock())
    names = {*service(broker).methods(), *IamService(broker).methods()}
    await broker.close()
    store.close()
    return names


@pytest.mark.parametrize(("service", "transport"), SERVICES, ids=["Publisher", "Subscriber"])
def test_no_method_is_missing(service: type[PublisherService | SubscriberService], transport: type) -> None:
    """All of Publisher, Subscriber and IAMPolicy, as google-cloud-pubsub knows them."""
    properties = {name for name, value in vars(transport).items() if isinstance(value, property)}
    known = {"".join(word.title() for word in name.split("_")) for name in properties - NOT_CALLS}
    assert known
    assert asyncio.run(answered(service)) >= known
