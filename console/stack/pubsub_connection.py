"""Connects to the Pub/Sub of a stack, local or Google's, and says in a sentence why a call has failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.types import PublisherOptions
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from console.errors import NoPubsubError, PubsubAccessError
from console.stack.pubsub_address import PubsubAddress
from console.stack.pubsub_setup import publisher_client, subscriber_client

GOOGLE: Final = "pubsub.googleapis.com:443"  #: address of Google's Pub/Sub
LOGIN: Final = (
    "There are no valid credentials for Google Cloud: run `gcloud auth application-default login`, or set "
    "GOOGLE_APPLICATION_CREDENTIALS"
)


@dataclass(frozen=True)
class PubsubConnection:
    """Clients of the Pub/Sub of a stack.

    Attributes:
        publisher: publishes with ordering keys.
        subscriber: pulls, and reads and changes subscriptions.
        address: names the topics and subscriptions.
    """

    publisher: PublisherClient
    subscriber: SubscriberClient
    address: PubsubAddress

    def topic(self, name: str) -> str:
        """Return the full name of a topic of contract/topology.py."""
        return self.address.topic(name)

    def subscription(self, name: str) -> str:
        """Return the full name of a subscription of contract/topology.py."""
        return self.address.subscription(name)


@contextmanager
def open_pubsub(address: PubsubAddress) -> Iterator[PubsubConnection]:
    """Yield a connection; PUBSUB_EMULATOR_HOST is ignored.

    Raises:
        NoPubsubError: the stack has another broker.
        PubsubAccessError: there are no credentials.
    """
    if address.broker_url:
        raise NoPubsubError(f"The messages of this stack are on {address.title}, and this needs Pub/Sub.")
    if address.is_local:
        with publisher_client(address.host) as publisher, subscriber_client(address.host) as subscriber:
            yield PubsubConnection(publisher, subscriber, address)
        return
    try:
        # A key file signs its tokens itself, without a request for each.
        publishing = PublisherGrpcTransport(host=GOOGLE, always_use_jwt_access=True)
        subscribing = SubscriberGrpcTransport(host=GOOGLE, always_use_jwt_access=True)
    except GoogleAuthError as error:
        raise PubsubAccessError(f"{LOGIN} ({error}).") from error
    ordering = PublisherOptions(enable_message_ordering=True)  # required for ordering keys
    publisher = PublisherClient(publisher_options=ordering, transport=publishing)
    try:
        with SubscriberClient(transport=subscribing) as subscriber:
            yield PubsubConnection(publisher, subscriber, address)
    finally:
        publisher.stop()
        publishing.close()  # type: ignore[no-untyped-call]  # generated code


def describe_failure(error: Exception, address: PubsubAddress) -> str:
    """Return a sentence on why a call of Pub/Sub has failed, and what to do."""
    text = str(getattr(error, "message", "") or error)
    if address.is_local:
        return str(error) if address.broker_url else f"{type(error).__name__}: {error}"
    # gRPC reports a failure of the credentials as UNAVAILABLE: https://github.com/grpc/grpc/blob/v1.76.0/
    # src/core/credentials/call/plugin/plugin_credentials.cc
    if isinstance(error, exceptions.Unauthenticated | GoogleAuthError) or "from plugin" in text:
        return f"{LOGIN} ({text})"
    if isinstance(error, exceptions.PermissionDenied):
        return (
            f"You may not do this in the project {address.project}: name yourself or a group in Terraform's "
            f"`operators`, and apply; a new grant is known everywhere within some minutes ({text})"
        )
    if isinstance(error, exceptions.NotFound):
        return (
            f"The project {address.project} has no such topic or subscription: compare LEDGER with "
            f"`terraform output -raw ledger_address`, or apply this version ({text})"
        )
    if isinstance(
        error,
        exceptions.ServiceUnavailable | exceptions.DeadlineExceeded | exceptions.RetryError | TimeoutError,
    ):
        return f"Pub/Sub cannot be reached, or takes too long: {type(error).__name__}: {text}"
    return f"{type(error).__name__}: {text}"
