"""Describes the state of a server at one moment, for the state page and its JSON."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from localpubsub.broker.broker import Broker
from localpubsub.broker.counters import SubscriptionCounters
from localpubsub.broker.subscription import Subscription
from localpubsub.protocol.messages import BigQueryConfig, CloudStorageConfig, SubscriptionPb

if TYPE_CHECKING:
    from localpubsub.broker.message_history import MessageHistory


@dataclass(frozen=True, slots=True)
class PushStatus:
    """The flow control of one push subscription."""

    window: int  #: Current maximum number of concurrent pushes.
    resume_at: float  #: End of the latest push backoff, seconds since the epoch.


class PushStatusSource(Protocol):
    """Reports the flow control of push subscriptions."""

    def push_status(self, subscription: Subscription) -> PushStatus | None:
        """Return the status of a push subscription, or None for a subscription without pushes."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic."""

    name: str  #: Full name.
    subscriptions: int  #: Number of its subscriptions.
    published: int  #: Number of messages that clients have published since the start of the server.


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """One subscription."""

    name: str  #: Full name.
    topic: str  #: Full name of its topic, or ``_deleted-topic_``.
    backlog: int  #: Number of unacknowledged messages, including the outstanding ones.
    outstanding: int  #: Number of messages that are leased to a subscriber now.
    oldest_unacked_seconds: float | None  #: Age of the oldest message; None without messages.
    kind: str  #: "push", "pull", "BigQuery" or "Cloud Storage", or "detached".
    endpoint: str | None  #: URL of a push subscription, otherwise None.
    destination: str | None  #: Table or bucket of an export subscription, otherwise None.
    export_state: str | None  #: State of an export subscription, such as "NOT_FOUND", otherwise None.
    window: int | None  #: Current maximum number of concurrent pushes; None without pushes.
    backoff_until: str | None  #: End of the current push backoff, RFC 3339; None without a backoff.


class ServerState:
    """Reads the state of a broker.

    Attributes:
        broker: the broker.
        push_status_source: set once the pushes have started.
        history: the last messages; None if the server does not remember them.
    """

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.push_status_source: PushStatusSource | None = None
        self.history: MessageHistory | None = None

    def topics(self) -> Iterator[TopicState]:
        """Yield the state of every topic, by name."""
        for name, topic in sorted(self.broker.catalogue.topics.items()):
            yield TopicState(name, len(topic.subscriptions), topic.published)

    def subscriptions(self) -> Iterator[SubscriptionState]:
        """Yield the state of every subscription, by name."""
        for _, subscription in sorted(self.broker.catalogue.subscriptions.items()):
            yield self._subscription(subscription)

    def measured(self) -> Iterator[tuple[SubscriptionState, SubscriptionCounters]]:
        """Yield the state and the counters of every subscription, by name."""
        for _, subscription in sorted(self.broker.catalogue.subscriptions.items()):
            yield self._subscription(subscription), subscription.counters

    def as_json(self) -> dict[str, Any]:
        """Return ``{"topics": [TopicState…], "subscriptions": [SubscriptionState…]}``."""
        return {
            "topics": [asdict(topic) for topic in self.topics()],
            "subscriptions": [asdict(subscription) for subscription in self.subscriptions()],
        }

    def _subscription(self, subscription: Subscription) -> SubscriptionState:
        now = self.broker.clock.now()
        backlog = subscription.backlog
        oldest = backlog.oldest_message_id()
        source = self.push_status_source
        status = source.push_status(subscription) if source is not None else None
        return SubscriptionState(
            name=subscription.name,
            topic=str(subscription.resource.topic),
            backlog=len(backlog),
            outstanding=len(backlog.outstanding),
            oldest_unacked_seconds=None if oldest is None else round(self.broker.ids.age(oldest, now), 3),
            **_delivery(subscription.resource),
            window=status.window if status else None,
            backoff_until=_rfc3339(status.resume_at) if status and status.resume_at > now else None,
        )


def _delivery(resource: SubscriptionPb) -> dict[str, Any]:
    """Return the fields of a SubscriptionState that say where messages are delivered."""
    endpoint = str(resource.push_config.push_endpoint) or None
    kind, destination, export_state = "push" if endpoint else "pull", None, None
    if resource.HasField("bigquery_config"):
        config = resource.bigquery_config
        kind, destination = "BigQuery", config.table
        export_state = BigQueryConfig.State.Name(config.state)
    elif resource.HasField("cloud_storage_config"):
        config = resource.cloud_storage_config
        kind, destination = "Cloud Storage", config.bucket
        export_state = CloudStorageConfig.State.Name(config.state)
    return {
        "kind": "detached" if resource.detached else kind,
        "endpoint": endpoint,
        "destination": destination,
        "export_state": export_state,
    }


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
