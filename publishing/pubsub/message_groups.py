"""Sends messages that are published at about the same time in one request."""

import math
import time
from threading import BoundedSemaphore, Event, Lock

from publishing.pubsub.publish_method import (
    MAX_REQUEST_BYTES,
    MAX_REQUEST_MESSAGES,
    EncodedMessage,
    NotSent,
    PublishMethod,
    SenderStopped,
)

#: Maximum number of requests that one process sends at the same time, of at most 4 MB each if they have
#: several messages, so that an outage of Pub/Sub does not fill the memory.
MAX_REQUESTS = 16
#: Messages share a request only if none has more than this multiple of another one's time: it ends at the
#: earliest deadline, and the last attempt to send a message again may have some milliseconds left.
MAX_TIME_RATIO = 2


class _Group:
    """Messages that are sent in one request, by the thread that published the first of them.

    Attributes:
        messages: the messages, in the order in which they were published.
        size: number of bytes of the messages.
        deadline: the earliest one of the messages' deadlines, monotonic seconds.
        finished: set when the request is over. Then `ids` has the ids of the messages, or `error` is set.
    """

    __slots__ = ("deadline", "error", "finished", "ids", "messages", "size")

    def __init__(self, message: EncodedMessage, deadline: float) -> None:
        self.messages = [message]
        self.size = message.size
        self.deadline = deadline
        self.finished = Event()
        self.ids = list[str]()
        self.error: Exception | None = None

    def has_place_for(self, message: EncodedMessage, deadline: float) -> bool:
        if len(self.messages) == MAX_REQUEST_MESSAGES or self.size + message.size > MAX_REQUEST_BYTES:
            return False
        now = time.monotonic()
        shorter, longer = sorted((self.deadline - now, deadline - now))
        return longer <= MAX_TIME_RATIO * shorter

    def add(self, message: EncodedMessage, deadline: float) -> None:
        self.messages.append(message)
        self.size += message.size
        self.deadline = min(self.deadline, deadline)


class MessageGroups:
    """Publishes single messages to one topic, those of several threads in one request.

    A message is sent at once if no request was sent in the last `seconds_between_requests`. Until they are
    over, further messages are collected, and are then sent in one request. No request waits for the response
    of another one, so that one that hangs delays no others. There is no thread for this: the caller whose
    message is the first of a request sends it, and the others wait.

    A message with an ordering key has a request of its own: a request may have only one key, and an ordered
    subscription seldom delivers several jobs of a key at the same time. Messages of a key that several
    threads publish at the same time have no order.

    Args:
        method: sends a request.
        topic: the full name of the topic.
        seconds_between_requests: pause between the starts of two requests.
        places: limits the number of requests at the same time; topics may share it.
    """

    def __init__(
        self, method: PublishMethod, topic: str, seconds_between_requests: float, places: BoundedSemaphore
    ) -> None:
        self._method = method
        self._topic = topic
        self._seconds_between_requests = seconds_between_requests
        self._places = places
        self._lock = Lock()
        self._collecting: _Group | None = None  # the group that further messages join
        self._last_request_at = -math.inf

    def publish(self, message: EncodedMessage, deadline: float) -> str:
        """Publish a message; return its id once Pub/Sub has confirmed it.

        Args:
            message: the message.
            deadline: until when to wait, monotonic seconds. If a message that is sent in the same request has
                an earlier deadline, that one applies.

        Raises:
            NotSent: if there was no place for a further request until the deadline.
            SenderStopped: if the thread that sent the request was stopped meanwhile.
            TimeoutError: if the request is not over by the deadline.
            google.api_core.exceptions.GoogleAPICallError: if Pub/Sub does not confirm the request.
        """
        if message.protobuf.ordering_key:
            return self._request(_Group(message, deadline))[0]
        with self._lock:
            group = self._collecting
            if joins := group is not None and group.has_place_for(message, deadline):
                group.add(message, deadline)
            else:
                group = self._collecting = _Group(message, deadline)
            index = len(group.messages) - 1
        if joins:
            if not group.finished.wait(max(0.0, deadline - time.monotonic())):
                raise TimeoutError("no response in time")
        else:
            self._send(group)
        if group.error is not None:
            raise group.error
        return group.ids[index]

    def _send(self, group: _Group) -> None:
        """Collect messages until the next request may be sent, and send them."""
        group.error = SenderStopped("the thread that would have sent this message and others was stopped")
        try:
            send_at = min(self._last_request_at + self._seconds_between_requests, group.deadline)
            if (pause := send_at - time.monotonic()) > 0:
                time.sleep(pause)
            self._close(group)
            self._last_request_at = time.monotonic()
            group.ids = self._request(group)
            group.error = None
        except Exception as error:  # noqa: BLE001 - each message of the group gets the error
            group.error = error
        finally:
            self._close(group)
            group.finished.set()

    def _close(self, group: _Group) -> None:
        """Let no further message join the group."""
        with self._lock:
            if self._collecting is group:
                self._collecting = None

    def _request(self, group: _Group) -> list[str]:
        if not self._places.acquire(timeout=max(0.0, group.deadline - time.monotonic())):
            raise NotSent("there was no place for a further request in time")
        try:
            return self._method.publish(self._topic, group.messages, group.deadline)
        finally:
            self._places.release()
