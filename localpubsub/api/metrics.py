"""Serves ``GET /metrics`` in the text format of Prometheus.

The format is version 0.0.4 of https://prometheus.io/docs/instrumenting/exposition_formats/, and the names
follow https://prometheus.io/docs/practices/naming/. Counters begin at 0 when the server starts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final

from aiohttp import web

from localpubsub.broker.counters import LATENCY_BOUNDS, SubscriptionCounters
from localpubsub.broker.state import ServerState, SubscriptionState

PATH: Final = "/metrics"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

#: One line of a metric: what follows its name, its labels, and its value.
Sample = tuple[str, Mapping[str, str], float]

#: Name, description and value of each gauge of a subscription.
_GAUGES: Final[tuple[tuple[str, str, Callable[[SubscriptionState], float]], ...]] = (
    ("backlog_messages", "Unacknowledged messages, including the outstanding ones.", lambda row: row.backlog),
    ("outstanding_messages", "Messages that are leased to a subscriber.", lambda row: row.outstanding),
    (
        "oldest_unacked_age_seconds",
        "Age of the oldest unacknowledged message, or 0 without messages.",
        lambda row: row.oldest_unacked_seconds or 0.0,
    ),
)
#: Name, description and value of each counter of a subscription.
_COUNTERS: Final[tuple[tuple[str, str, Callable[[SubscriptionCounters], int]], ...]] = (
    ("deliveries_total", "Deliveries to subscribers.", lambda counters: counters.events["delivered"]),
    ("acks_total", "Messages that were acknowledged.", lambda counters: counters.events["acknowledged"]),
    ("nacks_total", "Deliveries that were nacked.", lambda counters: counters.nacks),
    (
        "expired_leases_total",
        "Deliveries whose ack deadline passed.",
        lambda counters: counters.expired_leases,
    ),
    (
        "cancelled_deliveries_total",
        "Deliveries that were undone, so that they do not count as an attempt.",
        lambda counters: counters.events["delivery cancelled"],
    ),
    (
        "dead_letters_total",
        "Messages whose final attempt failed.",
        lambda counters: counters.events["attempts exhausted"],
    ),
)


def routes(state: ServerState) -> list[web.RouteDef]:
    """Return the route ``GET /metrics``."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=text(state).encode(), headers={"Content-Type": CONTENT_TYPE})

    return [web.get(PATH, metrics)]


def text(state: ServerState) -> str:
    """Return all metrics in the text format."""
    return "".join(f"{line}\n" for line in _lines(state))


def _lines(state: ServerState) -> Iterator[str]:
    topics = (("", {"topic": topic.name}, topic.published) for topic in state.topics())
    yield from _metric(
        "topic_published_messages_total", "counter", "Messages that clients published.", topics
    )
    measured = [
        ({"subscription": row.name, "topic": row.topic}, row, counters) for row, counters in state.measured()
    ]
    for name, description, gauge in _GAUGES:
        samples = (("", labels, gauge(row)) for labels, row, _ in measured)
        yield from _metric(f"subscription_{name}", "gauge", description, samples)
    for name, description, counter in _COUNTERS:
        samples = (("", labels, counter(counters)) for labels, _, counters in measured)
        yield from _metric(f"subscription_{name}", "counter", description, samples)
    pushes = (
        ("", {**labels, "status": str(status) if status else "none"}, count)
        for labels, _, counters in measured
        for status, count in sorted(counters.push_statuses.items())
    )
    yield from _metric("subscription_pushes_total", "counter", "Pushes by status of the response.", pushes)
    latencies = (sample for labels, _, counters in measured for sample in _latencies(labels, counters))
    yield from _metric("subscription_push_seconds", "histogram", "Latency of pushes in seconds.", latencies)


def _latencies(labels: Mapping[str, str], counters: SubscriptionCounters) -> Iterator[Sample]:
    """Yield the samples of a histogram, whose buckets are cumulative; nothing before the first push."""
    total = sum(counters.push_latencies)
    if not total:
        return
    bounds = [f"{bound:g}" for bound in LATENCY_BOUNDS] + ["+Inf"]
    for bound, count in zip(bounds, accumulate(counters.push_latencies), strict=True):
        yield "_bucket", {**labels, "le": bound}, count
    yield "_sum", labels, counters.push_seconds
    yield "_count", labels, total


def _metric(name: str, kind: str, description: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP localpubsub_{name} {description}"
    yield f"# TYPE localpubsub_{name} {kind}"
    for suffix, labels, value in samples:
        pairs = ",".join(f'{label}="{_escaped(content)}"' for label, content in labels.items())
        yield f"localpubsub_{name}{suffix}{{{pairs}}} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
