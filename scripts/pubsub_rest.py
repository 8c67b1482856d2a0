"""Calls Pub/Sub's REST API, with only the standard library.

https://cloud.google.com/pubsub/docs/reference/rest
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

PUBSUB = "https://pubsub.googleapis.com/"
MONITORING = "https://monitoring.googleapis.com/"
CALL_TIMEOUT_SECONDS = 30.0
PULL_TIMEOUT_SECONDS = 3.0
MAX_TRIES = 4  #: maximum attempts of a call that fails with a transient status or without a valid response
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
MAX_RESPONSE_BYTES = 256 * 1024 * 1024  #: maximum size of a response; a pull of 1,000 messages is far smaller
METRIC = "pubsub.googleapis.com/subscription/num_undelivered_messages"
METRIC_WINDOW_SECONDS = 600  #: maximum age of a sample; there is one per minute, up to four minutes late
MAX_ACK_IDS = 1000  #: maximum number of ack ids in one request; a request may have 512 KiB

ReceivedMessage = Mapping[str, Any]  #: the API's JSON of a received message: ackId and message


class ApiError(Exception):
    """A call failed.

    Attributes:
        status: HTTP status of the response; 0 if there was no valid response.
    """

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Count(NamedTuple):
    """The number of unacknowledged messages of a subscription."""

    messages: int
    taken_at: float  #: time of the count, seconds since 1970
    source: str  #: description of the server that counted; it is shown to the operator


class Pubsub:
    """A client of one project. Every method raises ApiError, or TimeoutError if there is no response in time.

    Args:
        project: id of the project.
        endpoint: base URL of Pub/Sub's API, without `/v1/projects/…`; `""` for Google's.
        monitoring: base URL of Cloud Monitoring. If `endpoint` is Google's, `""` means Google's URL. With any
            other `endpoint`, `""` means that counts come from localpubsub's state page.
        token: access token; `""` if Pub/Sub needs no authentication.
        sleep: waits the given number of seconds between two attempts of a call.
    """

    def __init__(
        self,
        project: str,
        *,
        endpoint: str = "",
        monitoring: str = "",
        token: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._project = project
        self._sleep = sleep
        self._endpoint = (endpoint or PUBSUB).rstrip("/")
        self._monitoring = monitoring.rstrip("/")
        if not monitoring and self._endpoint == PUBSUB.rstrip("/"):
            self._monitoring = MONITORING.rstrip("/")
        self._token = token
        # A proxy must not be used for the loopback interface.
        is_local = urlsplit(self._endpoint).hostname in {"localhost", "127.0.0.1", "::1"}
        self._opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if is_local else []))

    def subscription(self, name: str) -> Mapping[str, Any]:
        """Return the API's JSON of a subscription."""
        return self._call(self._path("subscriptions", name))

    def topic(self, name: str) -> Mapping[str, Any]:
        """Return the API's JSON of a topic."""
        return self._call(self._path("topics", name))

    def pull(self, subscription: str, count: int) -> list[ReceivedMessage]:
        """Return up to `count` messages. An empty list does not prove that the subscription is empty."""
        path = self._path("subscriptions", subscription) + ":pull"
        # The official emulator keeps an aborted pull open for 89 s and delivers messages to it. Therefore a
        # pull from a local server must return immediately. Google advises against this option for
        # its own service:
        # https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions/pull
        body = {"maxMessages": count, "returnImmediately": self._endpoint.startswith("http://")}
        try:
            response = self._call(path, body, seconds=PULL_TIMEOUT_SECONDS, tries=1)
        except TimeoutError:
            return []
        return list(response.get("receivedMessages", ()))

    def modify_ack_deadline(self, subscription: str, messages: list[ReceivedMessage], seconds: int) -> None:
        """Set the ack deadline of messages to `seconds` from now; 0 makes them available immediately."""
        self._call_with_ack_ids(subscription, ":modifyAckDeadline", messages, {"ackDeadlineSeconds": seconds})

    def acknowledge(self, subscription: str, messages: list[ReceivedMessage]) -> None:
        """Acknowledge messages, which removes them from the subscription."""
        self._call_with_ack_ids(subscription, ":acknowledge", messages, {})

    def publish(self, topic: str, messages: list[Mapping[str, Any]]) -> list[str]:
        """Publish messages in one request; return their ids, with which Pub/Sub confirms the publish."""
        ids = self._call(self._path("topics", topic) + ":publish", {"messages": messages})["messageIds"]
        if len(ids) != len(messages):
            raise ApiError(0, f"{len(messages)} messages were published and {len(ids)} ids returned")
        return list(ids)

    def count(self, subscription: str) -> Count | None:
        """Return the number of unacknowledged messages of a subscription, or None if the number is unknown.

        In the cloud, Cloud Monitoring has a count that is up to four minutes old. localpubsub's state page
        has an exact count. The official emulator has no count.
        """
        try:
            return (
                self._from_monitoring(subscription)
                if self._monitoring
                else self._from_state_page(subscription)
            )
        except (ApiError, TimeoutError, LookupError, TypeError, ValueError):
            return None

    def _from_state_page(self, subscription: str) -> Count:
        rows = self._call("/state.json", tries=1)["subscriptions"]
        name = f"projects/{self._project}/subscriptions/{subscription}"
        (row,) = (row for row in rows if row["name"] == name)
        return Count(int(row["backlog"]), time.time(), "localpubsub's state page")

    def _from_monitoring(self, subscription: str) -> Count:
        now = time.time()
        query = {
            "filter": f'metric.type="{METRIC}" AND resource.labels.subscription_id="{subscription}"',
            "interval.startTime": _rfc3339(now - METRIC_WINDOW_SECONDS),
            "interval.endTime": _rfc3339(now),
        }
        url = f"{self._monitoring}/v3/projects/{self._project}/timeSeries?{urlencode(query)}"
        points = [point for series in self._call(url)["timeSeries"] for point in series["points"]]
        newest = max(points, key=lambda point: str(point["interval"]["endTime"]))
        taken_at = datetime.fromisoformat(newest["interval"]["endTime"]).timestamp()
        return Count(int(newest["value"]["int64Value"]), taken_at, "Cloud Monitoring, up to 4 minutes late")

    def _call_with_ack_ids(
        self, subscription: str, method: str, messages: list[ReceivedMessage], fields: Mapping[str, int]
    ) -> None:
        path = self._path("subscriptions", subscription) + method
        for start in range(0, len(messages), MAX_ACK_IDS):
            ack_ids = [message["ackId"] for message in messages[start : start + MAX_ACK_IDS]]
            self._call(path, {"ackIds": ack_ids, **fields})

    def _path(self, kind: str, name: str) -> str:
        return f"/v1/projects/{quote(self._project, safe=':')}/{kind}/{quote(name, safe='')}"

    def _call(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        seconds: float = CALL_TIMEOUT_SECONDS,
        tries: int = MAX_TRIES,
    ) -> Mapping[str, Any]:
        for remaining in reversed(range(tries)):
            try:
                return self._call_once(path, body, seconds)
            except (ApiError, TimeoutError) as error:
                is_final = isinstance(error, ApiError) and error.status not in TRANSIENT_STATUSES | {0}
                if not remaining or is_final:
                    raise
            self._sleep(2.0 ** (tries - remaining - 2))
        raise AssertionError("the last attempt either returns or raises")

    def _call_once(self, path: str, body: Mapping[str, Any] | None, seconds: float) -> Mapping[str, Any]:
        url = path if path.startswith("http") else f"{self._endpoint}{path}"
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers)  # noqa: S310 - gcloud's configuration has the URL
        try:
            with self._opener.open(request, timeout=seconds) as response:
                return dict(json.loads(response.read(MAX_RESPONSE_BYTES) or b"{}"))
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, _error_message(error)) from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise TimeoutError from None
            raise ApiError(0, f"no server answers at {self._endpoint}: {error.reason}") from None
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:
            raise ApiError(0, f"the response of {self._endpoint} is not JSON: {error}") from None


def _error_message(error: urllib.error.HTTPError) -> str:
    """Return the message of an error response in Google's format; otherwise return the HTTP status."""
    try:
        return str(json.loads(error.read(65536))["error"]["message"])
    except (OSError, LookupError, TypeError, ValueError):
        return f"HTTP {error.code} {error.reason}"


def _rfc3339(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
