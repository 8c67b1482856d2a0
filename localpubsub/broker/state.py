"""What a server holds at a moment, as values for a page or a program."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from localpubsub.backlog.message import MICROSECONDS
from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription


@dataclass(frozen=True, slots=True)
class PushStatus:
    """How fast the pushes of one subscription may go."""

    window: int  #: pushes that may be open
    resume_at: float  #: seconds since the epoch; in the past when nothing rests


class PushStatusSource(Protocol):
    """Whoever knows the pace of push subscriptions."""

    def push_status(self, subscription: Subscription) -> PushStatus | None:
        """Its pace, or None when nothing is pushed."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic."""

    name: str
    subscriptions: int


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """One subscription."""

    name: str
    topic: str
    backlog: int  #: messages not yet acknowledged, the outstanding ones included
    outstanding: int  #: of them, delivered and neither acknowledged nor expired
    oldest_unacked_seconds: float | None  #: age of the oldest message of the backlog
    endpoint: str | None  #: None for a pull subscription
    window: int | None  #: pushes that may be open
    backoff_until: str | None  #: RFC 3339; None when deliveries do not rest


class ServerState:
    """Looks at a broker; ``paces`` is set once there are pushes."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.push_status_source: PushStatusSource | None = None

    def topics(self) -> Iterator[TopicState]:
        """By name."""
        for name, topic in sorted(self._broker.catalogue.topics.items()):
            yield TopicState(name, len(topic.subscriptions))

    def subscriptions(self) -> Iterator[SubscriptionState]:
        """By name."""
        for _, subscription in sorted(self._broker.catalogue.subscriptions.items()):
            yield self._subscription(subscription)

    def as_json(self) -> dict[str, Any]:
        """``{"topics": [TopicState…], "subscriptions": [SubscriptionState…]}``."""
        return {
            "topics": [asdict(topic) for topic in self.topics()],
            "subscriptions": [asdict(subscription) for subscription in self.subscriptions()],
        }

    def _subscription(self, subscription: Subscription) -> SubscriptionState:
        now = self._broker.clock.now()
        backlog = subscription.backlog
        oldest = backlog.oldest_message_id()
        pace = self.push_status_source.push_status(subscription) if self.push_status_source else None
        resting = pace is not None and pace.resume_at > now
        return SubscriptionState(
            name=subscription.name,
            topic=str(subscription.resource.topic),
            backlog=len(backlog),
            outstanding=len(backlog.outstanding),
            oldest_unacked_seconds=None
            if oldest is None
            else round(max(0.0, now - oldest / MICROSECONDS), 3),
            endpoint=subscription.endpoint or None,
            window=pace.window if pace else None,
            backoff_until=_rfc3339(pace.resume_at) if pace and resting else None,
        )


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
