"""The trace a job belongs to: W3C traceparent (https://www.w3.org/TR/trace-context/#traceparent-header)."""

import re

TRACEPARENT = r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
_TRACEPARENT = re.compile(TRACEPARENT.replace("$", r"\Z"))


def trace_id(traceparent: str) -> str:
    """Return the trace's 32 hex digits, or `""` where `traceparent` is none."""
    return traceparent[3:35] if _TRACEPARENT.match(traceparent) else ""
