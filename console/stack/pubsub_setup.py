"""Creates or updates the topics and subscriptions of a local stack.

In the cloud, Terraform creates topics and subscriptions with the same names (contract/topology.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import grpc
from google.api_core.exceptions import AlreadyExists, GoogleAPIError, NotFound
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.types import PublisherOptions
from google.pubsub_v1 import types
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from console.errors import StackError
from console.stack.replacement import delete_if_different, restore_messages
from console.stack.services import PROJECT, PUSH_AUDIENCE, PUSH_SERVICE_ACCOUNT, DeliveryPolicy
from contract.topology import (
    COLUMN_TOPICS,
    DEAD_LETTER_SUBSCRIPTION,
    DEAD_LETTER_TOPIC,
    DISPATCH_FILTER,
    DISPATCH_SUBSCRIPTION,
    DISPATCH_TOPIC,
    JOBS_TOPIC,
    LEDGER_DATASET,
    LEDGER_SUBSCRIPTIONS,
    LEDGER_TABLES,
    OPERATOR_TOPIC,
    OUTCOMES_TOPIC,
    PUSH_SUBSCRIPTION,
)

TOPICS = (JOBS_TOPIC, OUTCOMES_TOPIC, DEAD_LETTER_TOPIC, DISPATCH_TOPIC, OPERATOR_TOPIC)
CALL_TIMEOUT_SECONDS = 10.0
# An empty policy means that the subscription never expires:
# https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions
_NEVER_EXPIRES = types.ExpirationPolicy()


@contextmanager
def subscriber_client(host: str) -> Iterator[SubscriberClient]:
    """Yield a subscriber client of the Pub/Sub at `host`; PUBSUB_EMULATOR_HOST is ignored."""
    with _channel(host) as channel:
        client = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        try:
            yield client
        finally:
            client.close()


@contextmanager
def publisher_client(host: str) -> Iterator[PublisherClient]:
    """Yield a publisher client of the Pub/Sub at `host`; PUBSUB_EMULATOR_HOST is ignored."""
    with _channel(host) as channel:
        ordering = PublisherOptions(enable_message_ordering=True)  # required for ordering keys
        transport = PublisherGrpcTransport(channel=channel)
        client = PublisherClient(publisher_options=ordering, transport=transport)
        try:
            yield client
        finally:
            client.stop()


def prepare_topology(
    host: str, push_endpoint: str, policy: DeliveryPolicy, shards_endpoint: str = ""
) -> bool:
    """Create or update every topic and subscription. Another call with the same arguments changes nothing.

    A push subscription whose push configuration was emptied by `scrapeq pause --all` keeps it empty.

    Args:
        host: `host:port` of Pub/Sub.
        push_endpoint: URL of the worker.
        policy: delivery policy of the jobs subscription.
        shards_endpoint: URL of the dispatcher that takes shards; `""` if no dispatcher runs.

    Returns:
        Whether everything is paused.

    Raises:
        StackError: Pub/Sub refused a call or did not respond.
    """
    try:
        with publisher_client(host) as publisher, subscriber_client(host) as subscriber:
            for topic in TOPICS:
                _ensure_topic(publisher, topic)
            is_paused = _is_paused(subscriber)
            for subscription in _subscriptions("" if is_paused else push_endpoint, policy, shards_endpoint):
                delete_if_different(subscriber, subscription)
                _ensure_subscription(subscriber, subscription)
                restore_messages(subscriber, subscription.name)
            return is_paused
    except GoogleAPIError as error:
        raise StackError(f"The topics and subscriptions could not be created at {host}: {error}") from error


def topic_path(topic: str) -> str:
    """Return a topic's full name."""
    return f"projects/{PROJECT}/topics/{topic}"


def subscription_path(subscription: str) -> str:
    """Return a subscription's full name."""
    return f"projects/{PROJECT}/subscriptions/{subscription}"


def _is_paused(subscriber: SubscriberClient) -> bool:
    """Return whether the jobs subscription exists and has no push endpoint (console/controls/pause.py)."""
    path = subscription_path(PUSH_SUBSCRIPTION)
    try:
        found = subscriber.get_subscription(subscription=path, timeout=CALL_TIMEOUT_SECONDS, retry=None)
    except NotFound:
        return False
    return not found.push_config.push_endpoint


def _subscriptions(
    push_endpoint: str, policy: DeliveryPolicy, shards_endpoint: str
) -> Iterator[types.Subscription]:
    yield types.Subscription(
        name=subscription_path(PUSH_SUBSCRIPTION),
        topic=topic_path(JOBS_TOPIC),
        push_config=push_config_of(push_endpoint) if push_endpoint else types.PushConfig(),
        ack_deadline_seconds=policy.ack_deadline_seconds,
        retry_policy=types.RetryPolicy(
            minimum_backoff=timedelta(seconds=policy.minimum_backoff_seconds),
            maximum_backoff=timedelta(seconds=policy.maximum_backoff_seconds),
        ),
        dead_letter_policy=types.DeadLetterPolicy(
            dead_letter_topic=topic_path(DEAD_LETTER_TOPIC),
            max_delivery_attempts=policy.max_delivery_attempts,
        ),
        expiration_policy=_NEVER_EXPIRES,
        enable_message_ordering=True,  # messages without an ordering key are delivered at any time
    )
    if shards_endpoint:
        yield types.Subscription(
            name=subscription_path(DISPATCH_SUBSCRIPTION),
            topic=topic_path(DISPATCH_TOPIC),
            push_config=push_config_of(shards_endpoint),
            filter=DISPATCH_FILTER,
            ack_deadline_seconds=600,
            retry_policy=types.RetryPolicy(
                minimum_backoff=timedelta(seconds=10), maximum_backoff=timedelta(seconds=600)
            ),
            expiration_policy=_NEVER_EXPIRES,
        )
    yield _pull_subscription(DEAD_LETTER_SUBSCRIPTION, DEAD_LETTER_TOPIC)
    for topic, name in LEDGER_SUBSCRIPTIONS.items():
        subscription = _pull_subscription(name, topic)
        subscription.bigquery_config = _bigquery_config(topic)
        yield subscription


def _bigquery_config(topic: str) -> types.BigQueryConfig:
    has_columns = topic in COLUMN_TOPICS
    return types.BigQueryConfig(
        table=f"{PROJECT}.{LEDGER_DATASET}.{LEDGER_TABLES[topic]}",
        write_metadata=True,
        use_table_schema=has_columns,
        drop_unknown_fields=has_columns,
    )


def push_config_of(endpoint: str) -> types.PushConfig:
    """Return the push configuration of a local stack for the URL of a worker or a dispatcher."""
    token = types.PushConfig.OidcToken(service_account_email=PUSH_SERVICE_ACCOUNT, audience=PUSH_AUDIENCE)
    return types.PushConfig(push_endpoint=endpoint, oidc_token=token)


def _pull_subscription(name: str, topic: str) -> types.Subscription:
    return types.Subscription(
        name=subscription_path(name),
        topic=topic_path(topic),
        # A replay extends this deadline after each pull. The deadline is short, so that dead letters become
        # available again soon if the replay is killed before it extends the deadline.
        ack_deadline_seconds=10,
        expiration_policy=_NEVER_EXPIRES,
    )


def _ensure_topic(publisher: PublisherClient, topic: str) -> None:
    try:
        publisher.create_topic(name=topic_path(topic), timeout=CALL_TIMEOUT_SECONDS, retry=None)
    except AlreadyExists:
        return


def _ensure_subscription(subscriber: SubscriberClient, wanted: types.Subscription) -> None:
    try:
        subscriber.create_subscription(request=wanted, timeout=CALL_TIMEOUT_SECONDS, retry=None)
    except AlreadyExists:
        changed = ["ack_deadline_seconds", "expiration_policy"]
        if "retry_policy" in wanted:  # a push subscription, whose pushes may be paused
            changed += ["push_config", "retry_policy", "dead_letter_policy"]
        if wanted.bigquery_config.table:
            changed += ["bigquery_config"]
        subscriber.update_subscription(
            request={"subscription": wanted, "update_mask": {"paths": changed}},
            timeout=CALL_TIMEOUT_SECONDS,
            retry=None,
        )


@contextmanager
def _channel(host: str) -> Iterator[grpc.Channel]:
    # A proxy must not be used for the loopback interface.
    with grpc.insecure_channel(host, options=[("grpc.enable_http_proxy", 0)]) as channel:
        yield channel
