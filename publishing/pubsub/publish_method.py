"""Calls the method Publish of the Pub/Sub API."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

MAX_REQUEST_MESSAGES = 1000  #: Pub/Sub's limit of a request (its quotas page)
#: Maximum size of a request of several messages. Pub/Sub's limit is 10 MB (its quotas page). A larger message
#: is sent alone, so that only that message fails if Pub/Sub refuses it.
MAX_REQUEST_BYTES = 4_000_000
#: Bytes of a message's tag and length in a request (https://protobuf.dev/programming-guides/encoding).
_MESSAGE_OVERHEAD_BYTES = 6


class NotSent(Exception):
    """A message was not sent, because something else took too long or failed."""


class EncodedMessage(NamedTuple):
    """A message as part of a request.

    Attributes:
        protobuf: the `google.pubsub.v1.PubsubMessage`.
        size: its number of bytes in a request.
    """

    protobuf: Any
    size: int


class PublishMethod:
    """Calls Pub/Sub's Publish over the connection of a Google client, whose layers it leaves out.

    The client's layers are half of the processor time of publishing (docs/decisions/publish-requests.md). The
    connection, its credentials, and what a request says about the client are the client's.

    Args:
        client: a `google.cloud.pubsub_v1.PublisherClient`.
    """

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - importing its type takes a third of a second
        import grpc  # noqa: PLC0415 - only publishers need this slow import
        from google.api_core import exceptions  # noqa: PLC0415 - only publishers need this slow import
        from google.api_core.gapic_v1 import routing_header  # noqa: PLC0415 - only publishers need this slow import
        from google.pubsub_v1 import types  # noqa: PLC0415 - only publishers need this slow import
        from google.pubsub_v1.services.publisher.transports.base import (  # noqa: PLC0415 - only publishers need this slow import
            DEFAULT_CLIENT_INFO,
        )

        self._message = types.PubsubMessage.pb()
        self._request = types.PublishRequest.pb()
        self._call = client.transport.grpc_channel.unary_unary(
            "/google.pubsub.v1.Publisher/Publish",
            request_serializer=self._request.SerializeToString,
            response_deserializer=types.PublishResponse.pb().FromString,
        )
        self._client_metadata: tuple[str, str] = DEFAULT_CLIENT_INFO.to_grpc_metadata()  # type: ignore[no-untyped-call]  # the library has no types
        self._routing_metadata: Callable[[Any], tuple[str, str]] = routing_header.to_grpc_metadata
        self._rpc_error = grpc.RpcError
        self._api_error: Callable[[Exception], Exception] = exceptions.from_grpc_error
        self._call_error: Callable[[str], Exception] = exceptions.GoogleAPICallError

    def encode(self, data: bytes, attributes: dict[str, str], ordering_key: str) -> EncodedMessage:
        """Return the message as part of a request.

        Raises:
            TypeError, ValueError: if the message cannot be encoded.
        """
        protobuf = self._message(data=data, attributes=attributes, ordering_key=ordering_key)
        return EncodedMessage(protobuf, protobuf.ByteSize() + _MESSAGE_OVERHEAD_BYTES)

    def publish(self, topic: str, messages: Sequence[EncodedMessage], deadline: float) -> list[str]:
        """Send a request; return the id of each message.

        Args:
            topic: the full name of the topic.
            messages: the messages, which have the same ordering key, or none: Pub/Sub refuses other requests
                (`PubsubMessage.ordering_key` in the API's reference).
            deadline: when the request is given up, monotonic seconds.

        Raises:
            NotSent: if the deadline is over.
            google.api_core.exceptions.GoogleAPICallError: if Pub/Sub refuses the request, or does not confirm
                each message by the deadline. The topic may contain the messages nevertheless.
        """
        timeout = deadline - time.monotonic()
        if timeout <= 0:
            raise NotSent("the request was not sent, because its time is over")
        request = self._request(topic=topic, messages=[message.protobuf for message in messages])
        metadata = (self._client_metadata, self._routing_metadata((("topic", topic),)))
        try:
            response = self._call(request, timeout=timeout, metadata=metadata)
        except self._rpc_error as error:
            raise self._api_error(error) from error
        ids = list(response.message_ids)
        if len(ids) != len(messages):
            raise self._call_error(f"Pub/Sub returned {len(ids)} ids for {len(messages)} messages")
        return ids
