"""Tests that the two trace headers are parsed and written, and that invalid headers are ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.trace import Trace

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
INVALID = [
    "",
    TRACE,
    f"00-{TRACE}-{SPAN}",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-01\n",
    f"00-{TRACE}-{SPAN}-01-more",
    f"00-{TRACE[1:]}-{SPAN}-01",
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
]


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True)])
def test_traceparent_is_parsed_into_trace_span_and_sampled_flag(flags: str, sampled: bool) -> None:
    """A traceparent is parsed; only the lowest bit of its flags is the sampled flag.

    The examples are those of https://www.w3.org/TR/trace-context/#traceparent-header.
    """
    assert Trace.parse(f"00-{TRACE}-{SPAN}-{flags}") == (TRACE, SPAN, sampled)


@pytest.mark.parametrize("header", INVALID)
def test_invalid_traceparent_is_none(header: str) -> None:
    """Parsing an invalid traceparent returns None."""
    assert Trace.parse(header) is None


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (f"{TRACE}/67667974448284343;o=1", Trace(TRACE, "00f067aa0ba902b7", sampled=True)),
        (f"{TRACE}/1;o=0", Trace(TRACE, "0000000000000001", sampled=False)),
        (f"{TRACE}/18446744073709551615", Trace(TRACE, "f" * 16, sampled=False)),
        (f"{TRACE.upper()};o=1", Trace(TRACE, "", sampled=True)),
        (TRACE, Trace(TRACE, "", sampled=False)),
        (f"{TRACE}/0;o=1", Trace(TRACE, "", sampled=True)),
        (f"{TRACE}/18446744073709551616", Trace(TRACE, "", sampled=False)),
        (f"{TRACE}/0x1;o=1", None),
        (f"{TRACE}/1;o=yes", None),
        (f"{TRACE}/1;o=1\n", None),
        ("0" * 32 + "/1;o=1", None),
        ("", None),
    ],
)
def test_x_cloud_trace_context_is_parsed(header: str, trace: Trace | None) -> None:
    """`TRACE_ID/SPAN_ID;o=OPTIONS` is parsed, with its span in decimal.

    An invalid header returns None; an invalid span returns the trace without a span.

    The format is that of https://cloud.google.com/trace/docs/trace-context.
    """
    assert Trace.from_headers("", header) == trace


def test_traceparent_is_preferred_to_x_cloud_trace_context() -> None:
    """X-Cloud-Trace-Context is used only if traceparent is invalid, as Google's documentation recommends."""
    both = Trace.from_headers(f"00-{TRACE}-{SPAN}-01", f"{'a' * 32}/1;o=0")
    assert both == (TRACE, SPAN, True)
    assert Trace.from_headers("rubbish", f"{TRACE}/1") == (TRACE, "0000000000000001", False)


@given(st.text(), st.text())
def test_from_headers_never_raises(traceparent: str, cloud: str) -> None:
    """Reading arbitrary headers returns None or a trace, and raises no exception."""
    trace = Trace.from_headers(traceparent, cloud)
    assert trace is None or len(trace.trace_id) == 32


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_written_traceparent_is_parsed_again(trace: int, span: int, other: int, sampled: bool) -> None:
    """If a traceparent is written for a new span and parsed, only the span of the trace has changed."""
    first = Trace(f"{trace:032x}", f"{span:016x}", sampled)
    assert Trace.parse(first.traceparent(f"{other:016x}")) == first._replace(span_id=f"{other:016x}")
