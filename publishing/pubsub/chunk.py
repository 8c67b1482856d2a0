"""Sends many messages in as few requests as possible, several requests at the same time."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from publishing.pubsub.publish_method import (
    MAX_REQUEST_BYTES,
    MAX_REQUEST_MESSAGES,
    EncodedMessage,
    NotSent,
    PublishMethod,
)

#: Maximum number of requests at the same time. Most of a request's time is waiting for Pub/Sub, and with
#: ordering keys a request may have only one message.
MAX_CHUNK_REQUESTS = 32


def send_chunk(
    method: PublishMethod, topic: str, messages: Sequence[EncodedMessage | Exception], deadline: float
) -> list[Exception | str]:
    """Send the messages once; return for each its id, or why it is not confirmed.

    The messages of an ordering key are sent in their order, one request after the other; if one fails, the
    following ones are not sent. The other messages have no order.

    Args:
        method: sends a request.
        topic: the full name of the topic.
        messages: the messages; an exception in place of a message that could not be encoded is its result.
        deadline: until when to wait for the confirmations, monotonic seconds.
    """
    results: list[Exception | str] = [NotSent("an earlier message of its ordering key failed")] * len(
        messages
    )
    by_key = defaultdict[str, list[tuple[int, EncodedMessage]]](list)
    for index, message in enumerate(messages):
        if isinstance(message, Exception):
            results[index] = message
        else:
            by_key[message.protobuf.ordering_key].append((index, message))

    def send_in_order(requests: list[list[tuple[int, EncodedMessage]]]) -> None:
        for request in requests:
            confirmations = _send(method, topic, [message for _, message in request], deadline)
            for (index, _), confirmation in zip(request, confirmations, strict=True):
                results[index] = confirmation
            if isinstance(confirmations[0], Exception):
                return

    unordered = [[request] for request in _requests(by_key.pop("", []))]
    sequences = unordered + [list(_requests(of_key)) for of_key in by_key.values()]
    if len(sequences) == 1:
        send_in_order(sequences[0])
    else:
        with ThreadPoolExecutor(MAX_CHUNK_REQUESTS) as pool:
            for _ in pool.map(send_in_order, sequences):
                pass
    return results


def _send(
    method: PublishMethod, topic: str, messages: list[EncodedMessage], deadline: float
) -> Sequence[Exception | str]:
    try:
        return method.publish(topic, messages, deadline)
    except Exception as error:  # noqa: BLE001 - the error of one request must not stop the others
        return [error] * len(messages)


def _requests(messages: list[tuple[int, EncodedMessage]]) -> Iterator[list[tuple[int, EncodedMessage]]]:
    """Divide messages of one ordering key into requests, within the limits of a request."""
    request, size = list[tuple[int, EncodedMessage]](), 0
    for index, message in messages:
        size += message.size
        if request and (len(request) == MAX_REQUEST_MESSAGES or size > MAX_REQUEST_BYTES):
            yield request
            request, size = [], message.size
        request.append((index, message))
    if request:
        yield request
