"""Lists what the official emulator does instead of what a test expects, with the source of the expectation.

A test that the official emulator does not pass has the mark ``@emulator_differs(what)``, and ``what`` is a
key here. So a difference is expected only if a source says that the service does what the test expects.
"""

from typing import Final

_DOCS: Final = "https://cloud.google.com/pubsub/docs/"
_RPC: Final = _DOCS + "reference/rpc/google.pubsub.v1#google.pubsub.v1."
_QUOTAS: Final = "https://cloud.google.com/pubsub/quotas#resource_limits"
_PUSH: Final = _DOCS + "push#receive_push"
_BACKOFF: Final = _DOCS + "push#push_backoff"
_PERMISSIONS: Final = _DOCS + "handling-failures#grant_forwarding_permissions"
#: No page documents it. A program recorded it on the service.
MEASURED: Final = "measured on the service"

#: What the emulator does → the page that documents what the service does, or :data:`MEASURED`.
DIFFERENCES: Final = {
    # Publishing
    "accepts attributes of any number and size": _QUOTAS,
    "accepts reserved attribute names": _DOCS + "publish-message-overview#custom-attributes",
    "accepts more than ten million bytes": _QUOTAS,
    "accepts keys of any length": _QUOTAS,
    # Topics and subscriptions
    "accepts an ack deadline of 9 seconds": _RPC + "Subscription",
    "accepts exactly-once delivery for push subscriptions": _DOCS + "exactly-once-delivery",
    "accepts invalid push endpoints": _RPC + "PushConfig",
    "rejects labels as an unknown field": _RPC + "UpdateSubscriptionRequest",
    "rejects message_retention_duration as an unknown field": _RPC + "UpdateTopicRequest",
    "returns a policy without ttl": _RPC + "ExpirationPolicy",
    "returns no subscriptions of a missing topic instead of an error": _DOCS + "reference/error-codes",
    "does not return the topic's retention": _RPC + "Subscription",
    "does not offer DetachSubscription": _DOCS + "detach-subscriptions",
    "offers no IAM": _DOCS + "access-control",
    # Pull and StreamingPull
    "accepts an ack deadline of 601 seconds": _RPC + "ModifyAckDeadlineRequest",
    "allows pulls from a push subscription": _RPC + "PushConfig",
    "does not follow flow control after an ack on the stream": _RPC + "StreamingPullRequest",
    "ends the call with an error of the transport": _DOCS + "exactly-once-delivery",
    "ignores max_outstanding_bytes": _RPC + "StreamingPullRequest",
    "returns no message for max_messages -1": _RPC + "PullRequest",
    "sends nothing before the first message": MEASURED,
    # Order
    "delivers the third message before the second is redelivered": _DOCS + "ordering",
    "redelivers the nacked message alone, or earlier ones too": _DOCS + "ordering",
    "returns the next message of a key to the next pull": _DOCS + "ordering",
    # Push
    "accepts 203 as an ack": _PUSH,
    "does not pause": _BACKOFF,
    "has at most two pushes open": _BACKOFF,
    "leaves the first request open after the ack deadline": _RPC + "Subscription",
    "never sends deliveryAttempt": _DOCS + "handling-failures#track-delivery-attempts",
    "never sends the ordering key": _DOCS + "ordering",
    "sends attributes as an empty object": MEASURED,
    "sends data as an empty string": MEASURED,
    "sends no Authorization header": _DOCS + "authenticate-push-subscriptions",
    "sends no From header": MEASURED,
    "sends the envelope": _DOCS + "payload-unwrapping",
    # Dead letters
    "has no option for missing permissions and always dead-letters": _PERMISSIONS,
    "has no option for missing permissions and sends no deliveryAttempt": _PERMISSIONS,
    "writes the publish time with Z instead of +00:00": MEASURED,
    # Filters
    "accepts any text as a filter": _DOCS + "subscription-message-filter",
    "ignores filters": _DOCS + "subscription-message-filter",
    # Seek and snapshots
    "does not offer ListTopicSnapshots": _RPC + "ListTopicSnapshotsRequest",
    "does not retain messages of a topic": _DOCS + "replay-overview#configure_message_retention",
    "does not retain messages of a topic and ignores filters": _DOCS
    + "replay-overview#configure_message_retention",
    # Schemas
    "accepts large schemas": _QUOTAS,
    "accepts more than twenty revisions": _QUOTAS,
    "accepts use_topic_schema for a topic without schema": _RPC + "BigQueryConfig",
    "always sends definitions": _RPC + "ListSchemasRequest",
    "deletes the only revision": _DOCS + "delete-schema-revision",
    "offers no protocol buffers": _DOCS + "schemas#schema-types",
    # Export subscriptions
    "accepts invalid export configurations": _RPC + "CloudStorageConfig",
    "allows pulls from an export subscription": _DOCS + "subscription-overview",
    "leaves max_duration unset": _RPC + "CloudStorageConfig",
    "rejects bigquery_config as an unknown field": _RPC + "UpdateSubscriptionRequest",
    "writes no rows": _DOCS + "bigquery",
}
