"""Reads and writes the HTTP headers that name the trace of a job. Pure.

`traceparent` is W3C's header (https://www.w3.org/TR/trace-context/#traceparent-header).
`X-Cloud-Trace-Context` is Google Cloud's older header
(https://cloud.google.com/trace/docs/trace-context#legacy-http-header). Google recommends
`traceparent`.
"""

import re
from typing import NamedTuple, Self

TRACEPARENT = r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
_TRACEPARENT = re.compile(TRACEPARENT.replace("$", r"\Z"))
_CLOUD_TRACE = re.compile(r"([0-9a-fA-F]{32})(?:/([0-9]{1,20}))?(?:;o=([0-9]{1,10}))?\Z", re.ASCII)
_MAX_SPAN = 2**64 - 1


class Trace(NamedTuple):
    """A span of a trace.

    Attributes:
        trace_id: 32 hex digits, not all 0.
        span_id: 16 hex digits, not all 0; `""` if the sender gave no span.
        sampled: whether the trace is recorded.
    """

    trace_id: str
    span_id: str
    sampled: bool

    @classmethod
    def parse(cls, traceparent: str) -> Self | None:
        """Return the trace of a W3C traceparent; None if it is invalid."""
        if not _TRACEPARENT.match(traceparent):
            return None
        version, trace_id, span_id, flags = traceparent.split("-")
        if version == "ff" or not int(trace_id, 16) or not int(span_id, 16):
            return None
        return cls(trace_id, span_id, sampled=bool(int(flags, 16) & 1))

    @classmethod
    def from_headers(cls, traceparent: str, x_cloud_trace_context: str) -> Self | None:
        """Return the trace of an HTTP request from its two headers; None if neither is valid."""
        if trace := cls.parse(traceparent):
            return trace
        match = _CLOUD_TRACE.match(x_cloud_trace_context)
        if match is None or not int(match[1], 16):
            return None
        span = int(match[2] or 0)
        span_id = f"{span:016x}" if 0 < span <= _MAX_SPAN else ""
        return cls(match[1].lower(), span_id, sampled=bool(int(match[3] or 0) & 1))

    def traceparent(self, span_id: str) -> str:
        """Return the W3C traceparent of the span `span_id` (16 hex digits) in this trace."""
        return f"00-{self.trace_id}-{span_id}-{self.sampled:02x}"
