"""Pub/Sub's REST API over the standard library: pull, lease, publish, acknowledge, and counts.

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
CALL_SECONDS = 30.0
PULL_SECONDS = 3.0
TRIES = 4  #: of a call that may go better the next time
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
MAX_ANSWER_BYTES = 256 * 1024 * 1024  #: 1,000 messages; a pull of Pub/Sub's own ends far below
METRIC = "pubsub.googleapis.com/subscription/num_undelivered_messages"
METRIC_SECONDS = 600  #: how far back a sample is looked for: one a minute, up to four minutes late

Letter = Mapping[str, Any]  #: a received message, as the API spells it


class Refused(Exception):
    """A call that was answered with an error.

    Attributes:
        status: HTTP's; 0 where nobody answered.
    """

    def __init__(self, status: int, what: str) -> None:
        self.status = status
        super().__init__(what)


class Count(NamedTuple):
    """How many messages a subscription holds, delivered ones included."""

    letters: int
    taken_at: float  #: seconds since the epoch
    basis: str  #: who counted, for people


class Pubsub:
    """One project of a Pub/Sub.

    Args:
        project: its id.
        endpoint: where `/v1/projects/…` is; `""` for Google's.
        monitoring: where Cloud Monitoring is; `""` for Google's.
        token: an access token; `""` for a Pub/Sub that wants none.
        sleep: between two tries, seconds.
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
        # The loopback interface is never behind a proxy.
        is_local = urlsplit(self._endpoint).hostname in {"localhost", "127.0.0.1", "::1"}
        self._opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if is_local else []))

    def subscription(self, name: str) -> Mapping[str, Any]:
        """Return a subscription as the API describes it."""
        return self._call(self._path("subscriptions", name))

    def topic(self, name: str) -> Mapping[str, Any]:
        """Return a topic as the API describes it."""
        return self._call(self._path("topics", name))

    def pull(self, subscription: str, count: int) -> list[Letter]:
        """Return up to `count` messages; none where none came in PULL_SECONDS, which is no proof of none."""
        path = self._path("subscriptions", subscription) + ":pull"
        # The official emulator keeps a pull that was hung up on for 89 s, and gives it messages. Google's own
        # is not to be asked so: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions/pull
        wanted = {"maxMessages": count, "returnImmediately": self._endpoint.startswith("http://")}
        try:
            answer = self._call(path, wanted, seconds=PULL_SECONDS, tries=1)
        except TimeoutError:
            return []
        return list(answer.get("receivedMessages", ()))

    def lease(self, subscription: str, letters: list[Letter], seconds: int) -> None:
        """Keep messages from others for so long; 0 gives them back."""
        self._with_ack_ids(subscription, ":modifyAckDeadline", letters, {"ackDeadlineSeconds": seconds})

    def acknowledge(self, subscription: str, letters: list[Letter]) -> None:
        """Take messages out of the subscription."""
        self._with_ack_ids(subscription, ":acknowledge", letters, {})

    def publish(self, topic: str, messages: list[Mapping[str, Any]]) -> list[str]:
        """Publish messages in one request; return the id of each, which is Pub/Sub's confirmation."""
        ids = self._call(self._path("topics", topic) + ":publish", {"messages": messages})["messageIds"]
        if len(ids) != len(messages):
            raise Refused(0, f"{len(messages)} messages were published and {len(ids)} ids came back")
        return list(ids)

    def count(self, subscription: str) -> Count | None:
        """Return how many messages a subscription holds; None where nobody can say.

        In the cloud Cloud Monitoring counts, once a minute and minutes late; localpubsub's state page is
        exact; the official emulator counts nothing.
        """
        try:
            return self._monitored(subscription) if self._monitoring else self._stated(subscription)
        except (Refused, TimeoutError, LookupError, TypeError, ValueError):
            return None

    def _stated(self, subscription: str) -> Count:
        rows = self._call("/state.json", tries=1)["subscriptions"]
        name = f"projects/{self._project}/subscriptions/{subscription}"
        (row,) = (row for row in rows if row["name"] == name)
        return Count(int(row["backlog"]), time.time(), "localpubsub's state page")

    def _monitored(self, subscription: str) -> Count:
        now = time.time()
        query = {
            "filter": f'metric.type="{METRIC}" AND resource.labels.subscription_id="{subscription}"',
            "interval.startTime": _rfc3339(now - METRIC_SECONDS),
            "interval.endTime": _rfc3339(now),
        }
        url = f"{self._monitoring}/v3/projects/{self._project}/timeSeries?{urlencode(query)}"
        points = [point for series in self._call(url)["timeSeries"] for point in series["points"]]
        newest = max(points, key=lambda point: str(point["interval"]["endTime"]))
        taken_at = datetime.fromisoformat(newest["interval"]["endTime"]).timestamp()
        return Count(int(newest["value"]["int64Value"]), taken_at, "Cloud Monitoring, up to 4 minutes late")

    def _with_ack_ids(
        self, subscription: str, verb: str, letters: list[Letter], more: Mapping[str, int]
    ) -> None:
        path = self._path("subscriptions", subscription) + verb
        for start in range(0, len(letters), 1000):  # a request has at most 512 KiB
            ack_ids = [letter["ackId"] for letter in letters[start : start + 1000]]
            self._call(path, {"ackIds": ack_ids, **more})

    def _path(self, kind: str, name: str) -> str:
        return f"/v1/projects/{quote(self._project, safe=':')}/{kind}/{quote(name, safe='')}"

    def _call(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        seconds: float = CALL_SECONDS,
        tries: int = TRIES,
    ) -> Mapping[str, Any]:
        for left in reversed(range(tries)):
            try:
                return self._call_once(path, body, seconds)
            except (Refused, TimeoutError) as wrong:
                if not left or (isinstance(wrong, Refused) and wrong.status not in TRANSIENT | {0}):
                    raise
            self._sleep(2.0 ** (tries - left - 2))
        raise AssertionError("the last try returns or raises")

    def _call_once(self, path: str, body: Mapping[str, Any] | None, seconds: float) -> Mapping[str, Any]:
        url = path if path.startswith("http") else f"{self._endpoint}{path}"
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers)  # noqa: S310 - gcloud's endpoint, not a stranger's
        try:
            with self._opener.open(request, timeout=seconds) as answer:
                return dict(json.loads(answer.read(MAX_ANSWER_BYTES) or b"{}"))
        except urllib.error.HTTPError as wrong:
            raise Refused(wrong.code, _said(wrong)) from None
        except urllib.error.URLError as wrong:
            if isinstance(wrong.reason, TimeoutError):
                raise TimeoutError from None
            raise Refused(0, f"nobody answers at {self._endpoint}: {wrong.reason}") from None
        except TimeoutError:
            raise
        except (OSError, ValueError) as wrong:
            raise Refused(0, f"{self._endpoint} answered no JSON: {wrong}") from None


def _said(wrong: urllib.error.HTTPError) -> str:
    """Return Google's sentence about an error, or HTTP's."""
    try:
        return str(json.loads(wrong.read(65536))["error"]["message"])
    except (OSError, LookupError, TypeError, ValueError):
        return f"HTTP {wrong.code} {wrong.reason}"


def _rfc3339(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
