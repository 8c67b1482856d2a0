"""Lists the behaviours of Pub/Sub that the tests check; docstrings of tests refer to them by number.

Sources: https://cloud.google.com/pubsub/docs, the comments of google/pubsub/v1/pubsub.proto, and measurements
on the real service.
"""

from typing import Final

BEHAVIOURS: Final = {
    1: "Unmodified google-cloud-pubsub publishes, pulls and streams with only `PUBSUB_EMULATOR_HOST` set",
    2: "The REST API `/v1/projects/…` works for gcloud",
    3: "Creating a resource twice fails with ALREADY_EXISTS; using a missing resource fails with NOT_FOUND",
    4: "A deleted topic leaves its subscriptions with the topic `_deleted-topic_`",
    5: "Names, sizes, attributes and batches beyond their limits are rejected with "
    "INVALID_ARGUMENT, and nothing is stored",
    6: "A message with neither data nor attributes is rejected with INVALID_ARGUMENT",
    7: "Message ids are digit strings, in request order, and the same on every redelivery",
    8: "Ack deadline, retention and expiration have their defaults and bounds",
    9: "Dead-letter policies have their defaults and bounds, and their topic must exist",
    10: "Updates change only the fields of their mask; topic, filter and ordering cannot be changed",
    11: "Push body, headers and fields are as documented and as captured on the real service",
    12: "102, 200, 201, 202 and 204 acknowledge a push; every other status is a nack",
    13: "Without a response within the ack deadline, the request is closed and the message is redelivered",
    14: "Many pushes are open at the same time: the window grows on acks and shrinks on nacks, "
    "but once it has reached 3,000 it never becomes smaller than that",
    15: "A burst of nacks pauses the pushes of that subscription only",
    16: "A failed push waits for the retry policy or the push backoff, whichever is longer",
    17: "`oidc_token` adds a JWT that google-auth verifies",
    18: "Pushes without envelope send the data, with or without metadata in headers",
    19: "An empty push config stops pushing and keeps the backlog; an endpoint resumes pushing",
    20: "After its last attempt a message is dead-lettered, with four attributes and a new id",
    21: "Nacks and expired leases both count as attempts, for push and for pull",
    22: "Without the service agent's permissions no attempt is counted and nothing is dead-lettered",
    23: "Messages of an ordering key are delivered in order: by push one at a time, to a stream or "
    "in a pull several; a redelivery brings the later ones again",
    24: "Filters deliver only matching messages; an invalid filter is rejected with INVALID_ARGUMENT",
    25: "Every subscription receives every message from its creation on; retention expires messages",
    26: "Pull leases messages; ack deadline 0 is a nack; the ack of an expired lease is ignored",
    27: "`delivery_attempt` is set on pull only with a dead-letter policy",
    28: "A subscription can seek to a time and to a snapshot",
    29: "StreamingPull follows flow control and begins with the subscription's properties",
    30: "Pull, ack and seek fail with FAILED_PRECONDITION on a detached subscription",
    31: "After SIGKILL and a restart every confirmed message still exists",
    32: "BigQuery subscriptions write rows",
    33: "Scaled time does not change the order of events",
    34: "Chaos switches inject duplicates, dropped and late acks, early dead letters and delays, with a seed",
}

_DOCS: Final = "https://cloud.google.com/pubsub/docs/"
_RPC: Final = _DOCS + "reference/rpc/google.pubsub.v1#google.pubsub.v1."

#: Behaviour → the page that documents it. The behaviours without a page are promises of localpubsub itself.
SOURCES: Final = {
    1: _DOCS + "emulator",
    2: _DOCS + "reference/rest",
    3: _DOCS + "reference/error-codes",
    4: _RPC + "Subscription",
    5: "https://cloud.google.com/pubsub/quotas#resource_limits",
    6: _RPC + "PubsubMessage",
    7: _RPC + "PublishResponse",
    8: _RPC + "Subscription",
    9: _RPC + "DeadLetterPolicy",
    10: _RPC + "UpdateSubscriptionRequest",
    11: _DOCS + "push#receive_push",
    12: _DOCS + "push#receive_push",
    13: _DOCS + "push",
    14: _DOCS + "push#push_backoff",
    15: _DOCS + "push#push_backoff",
    16: _DOCS + "handling-failures",
    17: _DOCS + "authenticate-push-subscriptions",
    18: _DOCS + "payload-unwrapping",
    19: _RPC + "PushConfig",
    20: _DOCS + "handling-failures#dead_letter_topic",
    21: _RPC + "ReceivedMessage",
    22: _DOCS + "handling-failures#grant_forwarding_permissions",
    23: _DOCS + "ordering",
    24: _DOCS + "subscription-message-filter",
    25: _DOCS + "subscription-overview",
    26: _DOCS + "lease-management",
    27: _RPC + "ReceivedMessage",
    28: _DOCS + "replay-overview",
    29: _RPC + "StreamingPullRequest",
    30: _DOCS + "detach-subscriptions",
    32: _DOCS + "bigquery",
}
