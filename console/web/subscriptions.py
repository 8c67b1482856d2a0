"""Reads the subscriptions of the stack from Pub/Sub's API, and their backlog from localpubsub."""

from datetime import timedelta
from typing import Any, NamedTuple

import requests
from google.api_core.exceptions import GoogleAPIError, NotFound
from google.pubsub_v1 import types

from console.report.durations import duration
from console.stack.pubsub_connection import PubsubConnection, describe_failure, open_pubsub
from console.web.options import ConsoleOptions
from contract.topology import (
    DEAD_LETTER_SUBSCRIPTION,
    DISPATCH_SUBSCRIPTION,
    LEDGER_SUBSCRIPTIONS,
    PUSH_SUBSCRIPTION,
)

#: What each subscription is for.
PURPOSES = {
    PUSH_SUBSCRIPTION: "pushes jobs to the worker",
    DISPATCH_SUBSCRIPTION: "pushes the next part of a long dispatch to the dispatcher",
    DEAD_LETTER_SUBSCRIPTION: "keeps the dead letters until they are replayed or dropped",
} | {name: f"writes the messages of {topic} to the ledger" for topic, name in LEDGER_SUBSCRIPTIONS.items()}
CALL_TIMEOUT_SECONDS = 5.0
MISSING = "MISSING"  #: state of a subscription that does not exist


class SubscriptionRow(NamedTuple):
    """A subscription.

    Attributes:
        name: its name, without the project.
        purpose: what it is for.
        fault: why it could not be read; `""` if it was.
        state: `ACTIVE`, `MISSING`, or why Pub/Sub delivers nothing.
        kind: `push`, `pull`, `BigQuery` or `paused` (a push subscription without an endpoint).
        target: its push endpoint or its table.
        settings: its settings, as pairs of a name and a text.
        backlog: the entries of localpubsub's state.json; empty if the backlog is not known.
    """

    name: str
    purpose: str
    fault: str = ""
    state: str = ""
    kind: str = ""
    target: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    backlog: dict[str, Any] = {}  # noqa: RUF012 - never changed


def read_subscriptions(options: ConsoleOptions) -> tuple[list[SubscriptionRow], str]:
    """Return a row for each subscription, and why Pub/Sub could not be asked, or `""`.

    Raises:
        ConsoleError: no Pub/Sub is named, or there are no credentials.
    """
    backlogs = _backlogs(options.pubsub_http_url)
    rows = list[SubscriptionRow]()
    address = options.address
    with open_pubsub(address) as pubsub:
        for name, purpose in PURPOSES.items():
            row = _row(pubsub, name, purpose)
            if row.fault and row.state != MISSING and not rows:
                return (
                    [],
                    f"Pub/Sub at {address.host} does not answer: {row.fault}" if address.host else row.fault,
                )
            rows.append(row._replace(backlog=backlogs.get(pubsub.subscription(name), {})))
    return rows, ""


def _row(pubsub: PubsubConnection, name: str, purpose: str) -> SubscriptionRow:
    try:
        found = pubsub.subscriber.get_subscription(
            subscription=pubsub.subscription(name), timeout=CALL_TIMEOUT_SECONDS, retry=None
        )
    except NotFound as error:
        return SubscriptionRow(name, purpose, describe_failure(error, pubsub.address), MISSING)
    except GoogleAPIError as error:
        return SubscriptionRow(name, purpose, fault=describe_failure(error, pubsub.address))
    kind, target = _kind(name, found)
    state = types.Subscription.State(found.state).name
    if found.bigquery_config.table:
        state = types.BigQueryConfig.State(found.bigquery_config.state).name
    return SubscriptionRow(name, purpose, "", state, kind, target, tuple(_settings(found)))


def _kind(name: str, found: types.Subscription) -> tuple[str, str]:
    if found.bigquery_config.table:
        return "BigQuery", found.bigquery_config.table
    if found.push_config.push_endpoint:
        return "push", found.push_config.push_endpoint
    return ("paused" if name == PUSH_SUBSCRIPTION else "pull"), ""


def _settings(found: types.Subscription) -> list[tuple[str, str]]:
    settings = [("ack deadline", f"{found.ack_deadline_seconds} s")]
    if "retry_policy" in found:
        low, high = found.retry_policy.minimum_backoff, found.retry_policy.maximum_backoff
        settings.append(("backoff", f"{_seconds(low)} to {_seconds(high)}"))
    if "dead_letter_policy" in found:
        topic = found.dead_letter_policy.dead_letter_topic.rpartition("/")[2]
        settings.append(
            ("dead letters", f"after {found.dead_letter_policy.max_delivery_attempts} attempts to {topic}")
        )
    if found.enable_message_ordering:
        settings.append(("ordering", "by key"))
    if found.filter:
        settings.append(("filter", found.filter))
    settings.append(("retention", _seconds(found.message_retention_duration)))
    return settings


def _seconds(value: timedelta) -> str:
    return duration(value.total_seconds())


def _backlogs(http_url: str) -> dict[str, Any]:
    """Return the entries of localpubsub's state by subscription; empty if localpubsub does not answer."""
    if not http_url:
        return {}
    try:
        with requests.Session() as session:
            session.trust_env = False  # a proxy must not be used for the loopback interface
            state = session.get(f"{http_url}/state.json", timeout=CALL_TIMEOUT_SECONDS).json()
        return {each["name"]: each for each in state["subscriptions"]}
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return {}
