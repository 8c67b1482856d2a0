"""Lists what localpubsub does with each field that a client can send: one decision for every field.

If an upgrade of google-cloud-pubsub adds a field or a method, test_field_decisions.py names it. Then decide,
and add it here:

- RUN: the field has the effect that Pub/Sub's documentation describes.
- KEPT: the field is stored and returned, but has no effect in localpubsub.
- OUTPUT_ONLY: only the server sets the field; a value from a client is ignored, as in Pub/Sub.
- WITHOUT_EFFECT: the field is accepted, and neither stored nor returned, because Pub/Sub never returns it.
- REFUSED: the request fails with UNIMPLEMENTED, and the message names the field.
"""

from typing import Final

#: Message → its fields, separated by spaces.
RUN: Final = {
    "AcknowledgeRequest": "subscription ack_ids",
    "BigQueryConfig": "table use_topic_schema write_metadata drop_unknown_fields use_table_schema",
    "CloudStorageConfig": "bucket filename_prefix filename_suffix filename_datetime_format text_config "
    "avro_config max_duration max_bytes max_messages",
    "CloudStorageConfig.AvroConfig": "write_metadata",
    "CommitSchemaRequest": "name schema",
    "CompiledProtoSchema": "root_message compiled_bytes",
    "CreateSchemaRequest": "parent schema schema_id",
    "CreateSnapshotRequest": "name subscription labels",
    "DeadLetterPolicy": "dead_letter_topic max_delivery_attempts",
    "DeleteSchemaRequest": "name",
    "DeleteSchemaRevisionRequest": "name revision_id",
    "DeleteSnapshotRequest": "snapshot",
    "DeleteSubscriptionRequest": "subscription",
    "DeleteTopicRequest": "topic",
    "DetachSubscriptionRequest": "subscription",
    "ExpirationPolicy": "ttl",
    "GetSchemaRequest": "name view",
    "GetSnapshotRequest": "snapshot",
    "GetSubscriptionRequest": "subscription",
    "GetTopicRequest": "topic",
    "JavaScriptUDF": "function_name code",
    "ListSchemaRevisionsRequest": "name view page_size page_token",
    "ListSchemasRequest": "parent view page_size page_token",
    "ListSnapshotsRequest": "project page_size page_token",
    "ListSubscriptionsRequest": "project page_size page_token",
    "ListTopicSnapshotsRequest": "topic page_size page_token",
    "ListTopicSubscriptionsRequest": "topic page_size page_token",
    "ListTopicsRequest": "project page_size page_token",
    "MessageTransform": "javascript_udf disabled",
    "ModifyAckDeadlineRequest": "subscription ack_ids ack_deadline_seconds",
    "ModifyPushConfigRequest": "subscription push_config",
    "PublishRequest": "topic messages",
    "PubsubMessage": "data attributes ordering_key",
    "PullRequest": "subscription return_immediately max_messages",
    "PushConfig": "push_endpoint oidc_token pubsub_wrapper no_wrapper",
    "PushConfig.NoWrapper": "write_metadata",
    "PushConfig.OidcToken": "service_account_email audience",
    "RetryPolicy": "minimum_backoff maximum_backoff",
    "RollbackSchemaRequest": "name revision_id",
    "Schema": "name type_ definition compiled_proto_schema",
    "SchemaSettings": "schema encoding first_revision_id last_revision_id",
    "SeekRequest": "subscription time snapshot",
    "Snapshot": "name expire_time labels",
    "StreamingPullRequest": "subscription ack_ids modify_deadline_seconds modify_deadline_ack_ids "
    "stream_ack_deadline_seconds max_outstanding_messages max_outstanding_bytes",
    "Subscription": "name topic push_config bigquery_config cloud_storage_config ack_deadline_seconds "
    "retain_acked_messages message_retention_duration labels enable_message_ordering expiration_policy "
    "message_transforms filter dead_letter_policy retry_policy enable_exactly_once_delivery",
    "Topic": "name labels schema_settings message_retention_duration message_transforms",
    "UpdateSnapshotRequest": "snapshot update_mask",
    "UpdateSubscriptionRequest": "subscription update_mask",
    "UpdateTopicRequest": "topic update_mask",
    "ValidateMessageRequest": "parent name schema message encoding",
    "ValidateSchemaRequest": "parent schema",
}

KEPT: Final = {
    "BigQueryConfig": "service_account_email",
    "CloudStorageConfig": "service_account_email",
    "MessageStoragePolicy": "allowed_persistence_regions enforce_in_transit",
    "PushConfig": "attributes",
    "Subscription": "tags",
    "Topic": "message_storage_policy kms_key_name tags",
}

OUTPUT_ONLY: Final = {
    "BigQueryConfig": "state",
    "CloudStorageConfig": "state",
    "PubsubMessage": "message_id publish_time",
    "Schema": "revision_id revision_create_time",
    "Snapshot": "topic",
    "Subscription": "detached topic_message_retention_duration state analytics_hub_subscription_info",
    "Subscription.AnalyticsHubSubscriptionInfo": "listing subscription",
    "Topic": "satisfies_pzs state",
}

WITHOUT_EFFECT: Final = {
    "CreateSnapshotRequest": "tags",
    "MessageTransform": "enabled",
    "StreamingPullRequest": "client_id protocol_version",
}

REFUSED: Final = {
    "CloudStorageConfig.AvroConfig": "use_topic_schema",
    "MessageTransform": "compression ai_inference",
    "Subscription": "bigtable_config",
    "Topic": "ingestion_data_source_settings",
}

DECISIONS: Final = (RUN, KEPT, OUTPUT_ONLY, WITHOUT_EFFECT, REFUSED)
