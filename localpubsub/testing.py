"""Controls and inspects a running server from tests, over HTTP, so that the server may run anywhere.

The pytest fixture ``pubsub`` is a ``PubsubServer``. The methods block; in an async test call those that wait
as ``await asyncio.to_thread(pubsub.wait_until_empty)``, so that the event loop can serve pushes meanwhile.
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

Resource = str | Mapping[str, Any]

TIMEOUT: Final = 30.0  #: Default maximum of a wait, in seconds.
_POLL_SECONDS: Final = 0.02
_MAX_WAIT_OF_REQUEST: Final = 20.0  #: Seconds after which a waiting request is repeated.


class RequestFailed(Exception):
    """The server has rejected a request; the text has its reason."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message on one subscription."""

    state: str  #: waiting, outstanding, acknowledged, dead_lettered, expired or filtered.
    deliveries: int  #: Number of deliveries, including those that do not count as an attempt.
    attempt: int  #: Delivery attempt of the last delivery, 1 for the first; 0 before it.


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was published to a topic."""

    data: bytes
    attributes: dict[str, str]
    ordering_key: str
    message_id: str
    publish_time: datetime  #: In UTC, by the server's clock.
    deliveries: dict[str, Delivery]  #: Name of the subscription, without its project → delivery.


class PubsubServer:
    """A running localpubsub.

    Names of topics and subscriptions are short (``orders``, of the project ``project``) or full
    (``projects/other/topics/orders``).

    Args:
        host: the gRPC address ``HOST:PORT``, the value for PUBSUB_EMULATOR_HOST.
        http_url: URL of the REST API, without a slash at the end.
        certs_url: URL of the certificates of push tokens; by default, that of the server.
        project: the project of all short names.
    """

    def __init__(
        self, host: str, http_url: str = "", certs_url: str = "", *, project: str = "test-project"
    ) -> None:
        self.host = host
        self.http_url = http_url or f"http://{host}"
        self.certs_url = certs_url or f"{self.http_url}/oauth2/v1/certs"
        self.project = project

    def topic(self, name: str) -> str:
        """Return the full name of a topic, as the official clients need it."""
        return self._full_name("topics", name)

    def subscription(self, name: str) -> str:
        """Return the full name of a subscription."""
        return self._full_name("subscriptions", name)

    def create(
        self,
        *,
        topics: Sequence[Resource] = (),
        subscriptions: Sequence[Resource] = (),
        schemas: Sequence[Resource] = (),
    ) -> None:
        """Create resources: each is a name, or a resource in the JSON format of the REST API with a name.

        Raises:
            RequestFailed: a resource exists, or is invalid.
        """
        from localpubsub.setup.file import from_values  # noqa: PLC0415 - imports YAML, which few tests need

        given = {"schemas": list(schemas), "topics": list(topics), "subscriptions": list(subscriptions)}
        for entry in from_values({"project": self.project, **given}):
            name = entry.fields.pop("name")
            if entry.collection == "schemas":
                parent, _, schema_id = name.partition("/schemas/")
                self._request("POST", f"/v1/{parent}/schemas", entry.fields, schemaId=schema_id)
            else:
                self._request("PUT", f"/v1/{name}", entry.fields)

    def publish(self, topic: str, data: bytes, *, ordering_key: str = "", **attributes: str) -> str:
        """Publish a message and return its id.

        Raises:
            RequestFailed: the topic does not exist, or the message is invalid.
        """
        message: dict[str, Any] = {"data": b64encode(data).decode(), "attributes": attributes}
        if ordering_key:
            message["orderingKey"] = ordering_key
        body = {"messages": [message]}
        [message_id] = self._request("POST", f"/v1/{self.topic(topic)}:publish", body)["messageIds"]
        return str(message_id)

    def messages(self, topic: str) -> list[Message]:
        """Return the messages that were published to a topic, also acknowledged ones, oldest first.

        The server remembers the last 1,000 messages (option ``history``).

        Raises:
            RequestFailed: the topic does not exist.
        """
        found: list[Message] = []
        token = ""
        while True:
            page = self._request("GET", "/messages", topic=self.topic(topic), pageToken=token)
            found += map(_message, page["messages"])
            token = page.get("nextPageToken", "")
            if not token:
                return found

    def wait_for_messages(
        self, topic: str, until: Callable[[list[Message]], bool], timeout: float = TIMEOUT
    ) -> list[Message]:
        """Return the messages of a topic as soon as ``until`` returns True for them.

        Raises:
            TimeoutError: ``until`` returned False for ``timeout`` seconds; the error has the messages.
        """
        give_up_at = time.monotonic() + timeout
        while not until(messages := self.messages(topic)):
            if time.monotonic() > give_up_at:
                shown = "\n".join(map(str, messages)) or "none"
                raise TimeoutError(f"after {timeout:g} s the messages of {topic} are:\n{shown}")
            time.sleep(_POLL_SECONDS)
        return messages

    def wait_until_empty(self, subscription: str = "", timeout: float = TIMEOUT) -> None:
        """Wait until a subscription, or each one if none is named, has no unacknowledged message.

        Raises:
            TimeoutError: messages are left after ``timeout`` seconds; the error has their number.
            RequestFailed: the subscription does not exist.
        """
        name = self.subscription(subscription) if subscription else ""
        give_up_at = time.monotonic() + timeout
        while True:
            wait = min(_MAX_WAIT_OF_REQUEST, max(0.0, give_up_at - time.monotonic()))
            left = self._request("GET", "/backlog", subscription=name, wait=f"{wait:.3f}")["backlog"]
            if not left:
                return
            if time.monotonic() >= give_up_at:
                where = subscription or "the subscriptions"
                raise TimeoutError(f"after {timeout:g} s {left} messages of {where} are unacknowledged")

    def advance(self, seconds: float) -> None:
        """Let this many seconds pass at once on the server's clock.

        Leases, backoffs and retention that end within this time end, in their order. Push tokens keep the
        real time, so that they can be verified.

        Raises:
            RequestFailed: ``seconds`` is negative, or more than a year.
        """
        self._request("POST", "/clock", {"advance": seconds})

    def fail(self, method: str, code: str, times: int = 1) -> None:
        """Let the next calls of a method fail, over gRPC and REST.

        Args:
            method: name of the method in Pub/Sub's API, for example ``Publish``.
            code: name of a gRPC status code, for example ``UNAVAILABLE``. Official clients repeat some calls.
            times: number of calls that fail.

        Raises:
            RequestFailed: there is no such method or code.
        """
        self._request("POST", "/faults", {"method": method, "code": code, "times": times})

    def reset(self) -> None:
        """Delete all resources, messages and faults."""
        self._request("DELETE", "/faults")
        self._request("POST", "/reset")

    def _full_name(self, collection: str, name: str) -> str:
        return name if "/" in name else f"projects/{self.project}/{collection}/{name}"

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **parameters: str
    ) -> dict[str, Any]:
        query = urllib.parse.urlencode({name: value for name, value in parameters.items() if value})
        request = urllib.request.Request(  # noqa: S310 - the URL of the server is http
            f"{self.http_url}{path}" + (f"?{query}" if query else ""),
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with _OPENER.open(request) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            with error:
                raise RequestFailed(_reason(error.read())) from None


#: A proxy of the environment must not be used for a server on this machine or in its network.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _message(fields: Mapping[str, Any]) -> Message:
    return Message(
        data=b64decode(fields.get("data", "")),
        attributes=dict(fields.get("attributes", {})),
        ordering_key=fields.get("orderingKey", ""),
        message_id=fields["messageId"],
        publish_time=datetime.fromisoformat(fields["publishTime"]),
        deliveries={
            name.rpartition("/")[2]: Delivery(each["state"], each["deliveries"], each["attempt"])
            for name, each in fields["subscriptions"].items()
        },
    )


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:1000]
