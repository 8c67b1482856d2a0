"""Checks that the resources exist to which the configuration of a topic or subscription refers."""

from collections.abc import Mapping

from localpubsub.broker.topic import Topic
from localpubsub.errors import InvalidArgument, NotFound
from localpubsub.protocol.messages import SubscriptionPb, TopicPb
from localpubsub.schemas.registry import DELETED_SCHEMA, SchemaRegistry


def check_topic(resource: TopicPb, schemas: SchemaRegistry) -> None:
    """Raise NotFound if the schema of a topic does not exist, and InvalidArgument for an unknown encoding."""
    settings = resource.schema_settings
    if resource.HasField("schema_settings") and settings.schema != DELETED_SCHEMA:
        schemas.check_settings(settings)


def check_subscription(resource: SubscriptionPb, topics: Mapping[str, Topic]) -> None:
    """Check the dead-letter topic and the use of the topic's schema.

    Raises:
        NotFound: the dead-letter topic does not exist.
        InvalidArgument: use_topic_schema is set, but the topic has no schema.
    """
    if resource.HasField("dead_letter_policy"):
        name = resource.dead_letter_policy.dead_letter_topic
        if name not in topics:
            raise NotFound(name)
    topic = topics.get(resource.topic)
    if resource.bigquery_config.use_topic_schema and not (
        topic and topic.resource.HasField("schema_settings")
    ):
        raise InvalidArgument("use_topic_schema is set, but the topic has no schema.")
