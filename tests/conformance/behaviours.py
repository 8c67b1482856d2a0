"""The behaviours a stand-in for Pub/Sub must show to be believed, by number; test docstrings name them.

Sources: https://cloud.google.com/pubsub/docs, the comments of google/pubsub/v1/pubsub.proto, and what was
measured on the real service.
"""

from typing import Final

BEHAVIOURS: Final = {
    1: "Unmodified google-cloud-pubsub publishes, pulls and streams with only `PUBSUB_EMULATOR_HOST` set",
    2: "REST `/v1/projects/…` works for gcloud",
    3: "Create twice is ALREADY_EXISTS; what is missing is NOT_FOUND",
    4: "Deleting a topic leaves its subscriptions with `_deleted-topic_`",
    5: "Names, sizes, attributes and batches beyond their limits are INVALID_ARGUMENT, and nothing is stored",
    6: "A message with neither data nor attributes is INVALID_ARGUMENT",
    7: "Ids are digit strings, in request order, the same on every redelivery",
    8: "Ack deadlines, retention and expiry have their defaults and bounds",
    9: "Dead-letter policies have their defaults and bounds, and their topic must exist",
    10: "Updates honour their masks; topic, filter and ordering never change",
    11: "Push body, headers and fields are as documented and captured",
    12: "102, 200, 201, 202 and 204 acknowledge; everything else is a nack",
    13: "No answer within the ack deadline: the request is closed, and the message comes again",
    14: "Many pushes at once: the window grows on success and shrinks on failure",
    15: "A burst of nacks pauses that subscription, and no other",
    16: "Retry policy and push backoff combine as their maximum",
    17: "`oidc_token` makes a JWT that google-auth verifies",
    18: "Unwrapped push, with and without metadata",
    19: "An empty push config stops pushing and keeps the backlog; an endpoint resumes",
    20: "After its attempts a message is a dead letter, with four attributes and a new id",
    21: "Nacks and expiries count alike, for push and pull",
    22: "Without the service agent's rights nothing is counted and nothing forwarded",
    23: "Ordering: one outstanding message per key; after a nack the later ones wait",
    24: "Filters; a bad one is INVALID_ARGUMENT",
    25: "Fan-out to every subscription, from its creation on; retention expires messages",
    26: "Pull leases; deadline 0 nacks; acking what expired is no error",
    27: "`delivery_attempt` on pull only with a dead-letter policy",
    28: "Seek to a time and to a snapshot",
    29: "StreamingPull honours flow control and begins with the subscription's properties",
    30: "A detached subscription answers FAILED_PRECONDITION",
    31: "Killed with SIGKILL and started again: every confirmed message is still there",
    32: "BigQuery subscriptions write rows",
    33: "Time can be scaled without changing the order of events",
    34: "Chaos switches: duplicates, dropped acks, early dead letters, delays; seeded",
}
