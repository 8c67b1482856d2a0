"""Names the protobuf classes of google.pubsub.v1 that localpubsub uses.

``google.pubsub_v1.types`` wraps each message in proto-plus, which takes several times as long as the parsing
itself. The classes below have the same wire format and no such wrapper.
"""

from typing import Any, TypeAlias

from google.protobuf import empty_pb2  # type: ignore[import-untyped]  # protobuf publishes no types

from localpubsub.protocol.descriptors import types

# The classes below are built when this module is imported, so no type checker can see their fields.
PubsubMessagePb: TypeAlias = Any
TopicPb: TypeAlias = Any
SubscriptionPb: TypeAlias = Any
PushConfigPb: TypeAlias = Any
SchemaPb: TypeAlias = Any
SchemaSettingsPb: TypeAlias = Any
BigQueryConfigPb: TypeAlias = Any
MessageTransformPb: TypeAlias = Any
CloudStorageConfigPb: TypeAlias = Any
RequestPb: TypeAlias = Any
ResourcePb: TypeAlias = Any
ResponsePb: TypeAlias = Any
DurationPb: TypeAlias = Any
FieldMaskPb: TypeAlias = Any
TimestampPb: TypeAlias = Any
SnapshotPb: TypeAlias = Any

Empty = empty_pb2.Empty  # the response of every delete method

BigQueryConfig = types.BigQueryConfig.pb()
CloudStorageConfig = types.CloudStorageConfig.pb()
PubsubMessage = types.PubsubMessage.pb()
PushConfig = types.PushConfig.pb()
ReceivedMessage = types.ReceivedMessage.pb()
Snapshot = types.Snapshot.pb()
Subscription = types.Subscription.pb()
Topic = types.Topic.pb()

AcknowledgeRequest = types.AcknowledgeRequest.pb()
CreateSnapshotRequest = types.CreateSnapshotRequest.pb()
DeleteSnapshotRequest = types.DeleteSnapshotRequest.pb()
DeleteSubscriptionRequest = types.DeleteSubscriptionRequest.pb()
DeleteTopicRequest = types.DeleteTopicRequest.pb()
DetachSubscriptionRequest = types.DetachSubscriptionRequest.pb()
DetachSubscriptionResponse = types.DetachSubscriptionResponse.pb()
GetSnapshotRequest = types.GetSnapshotRequest.pb()
GetSubscriptionRequest = types.GetSubscriptionRequest.pb()
GetTopicRequest = types.GetTopicRequest.pb()
ListSnapshotsRequest = types.ListSnapshotsRequest.pb()
ListSnapshotsResponse = types.ListSnapshotsResponse.pb()
ListSubscriptionsRequest = types.ListSubscriptionsRequest.pb()
ListSubscriptionsResponse = types.ListSubscriptionsResponse.pb()
ListTopicSnapshotsRequest = types.ListTopicSnapshotsRequest.pb()
ListTopicSnapshotsResponse = types.ListTopicSnapshotsResponse.pb()
ListTopicSubscriptionsRequest = types.ListTopicSubscriptionsRequest.pb()
ListTopicSubscriptionsResponse = types.ListTopicSubscriptionsResponse.pb()
ListTopicsRequest = types.ListTopicsRequest.pb()
ListTopicsResponse = types.ListTopicsResponse.pb()
ModifyAckDeadlineRequest = types.ModifyAckDeadlineRequest.pb()
ModifyPushConfigRequest = types.ModifyPushConfigRequest.pb()
PublishRequest = types.PublishRequest.pb()
PublishResponse = types.PublishResponse.pb()
PullRequest = types.PullRequest.pb()
PullResponse = types.PullResponse.pb()
SeekRequest = types.SeekRequest.pb()
SeekResponse = types.SeekResponse.pb()
StreamingPullRequest = types.StreamingPullRequest.pb()
StreamingPullResponse = types.StreamingPullResponse.pb()
UpdateSnapshotRequest = types.UpdateSnapshotRequest.pb()
UpdateSubscriptionRequest = types.UpdateSubscriptionRequest.pb()
UpdateTopicRequest = types.UpdateTopicRequest.pb()

CommitSchemaRequest = types.CommitSchemaRequest.pb()
CreateSchemaRequest = types.CreateSchemaRequest.pb()
DeleteSchemaRequest = types.DeleteSchemaRequest.pb()
DeleteSchemaRevisionRequest = types.DeleteSchemaRevisionRequest.pb()
GetSchemaRequest = types.GetSchemaRequest.pb()
ListSchemaRevisionsRequest = types.ListSchemaRevisionsRequest.pb()
ListSchemaRevisionsResponse = types.ListSchemaRevisionsResponse.pb()
ListSchemasRequest = types.ListSchemasRequest.pb()
ListSchemasResponse = types.ListSchemasResponse.pb()
RollbackSchemaRequest = types.RollbackSchemaRequest.pb()
Schema = types.Schema.pb()
ValidateMessageRequest = types.ValidateMessageRequest.pb()
ValidateMessageResponse = types.ValidateMessageResponse.pb()
ValidateSchemaRequest = types.ValidateSchemaRequest.pb()
ValidateSchemaResponse = types.ValidateSchemaResponse.pb()
