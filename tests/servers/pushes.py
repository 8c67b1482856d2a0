"""Writes push requests as Pub/Sub sends them.

The code is independent of push_endpoint's decoder, so that a fault in the decoder makes a test fail.
"""

import base64
import json
from typing import Any

from contract.trace import Trace

JOB: dict[str, Any] = {
    "version": 1,
    "job_id": "0123456789abcdef0123456789abcdef",
    "run_id": "books-2026-11-22T06:00:00Z",
    "crawl": "books",
    "url": "https://shop.example/1",
    "recipe": {"name": "book", "fields": {"title": {"css": "h1", "required": True}}},
    "politeness": {"delay_seconds": 0, "respect_robots": True},
    "dispatched_at": "2026-11-22T06:00:03.120Z",
}
TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)
ATTRIBUTES = {
    "job_id": JOB["job_id"],
    "run_id": JOB["run_id"],
    "crawl": "books",
    "host": "shop.example",
    "version": "1",
    "traceparent": f"00-{TRACE.trace_id}-{TRACE.span_id}-01",
}


def job(**changed: object) -> bytes:
    """Return the message data of a job, with the given fields changed; None removes a field."""
    return json.dumps({name: value for name, value in (JOB | changed).items() if value is not None}).encode()


def push(
    data: bytes = job(),
    attempt: int | None = 2,
    ordering_key: str = "",
    message_id: str = "42",
    **attributes: str,
) -> bytes:
    """Return the body of a push request.

    The attributes are ATTRIBUTES and `attributes`. If `attempt` is None, the body has no deliveryAttempt.
    A worker that has acknowledged a message acknowledges the same `message_id` again without work.
    """
    document: dict[str, Any] = {
        "message": {
            "data": base64.b64encode(data).decode(),
            "attributes": ATTRIBUTES | attributes,
            "messageId": message_id,
            "message_id": message_id,
            "publishTime": "2026-11-22T06:00:03.2Z",
            "publish_time": "2026-11-22T06:00:03.2Z",
        },
        "subscription": "projects/p/subscriptions/scrape-jobs-push",
    }
    if ordering_key:
        document["message"]["orderingKey"] = ordering_key
    return json.dumps(document if attempt is None else document | {"deliveryAttempt": attempt}).encode()
