"""Traces: the identifier that joins the logs of both services, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.trace import trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_the_trace_is_the_second_part() -> None:
    """The example of https://www.w3.org/TR/trace-context/#traceparent-header."""
    assert trace_id(f"00-{TRACE}-00f067aa0ba902b7-01") == TRACE


@pytest.mark.parametrize(
    "header",
    [
        "",
        TRACE,
        f"00-{TRACE}-00f067aa0ba902b7",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7-01\n",
        f"00-{TRACE}-00f067aa0ba902b7-01-more",
        f"00-{TRACE[1:]}-00f067aa0ba902b7-01",
    ],
)
def test_anything_else_is_no_trace(header: str) -> None:
    """A header that is none must not end up as a trace in the logs."""
    assert trace_id(header) == ""


@given(st.text())
def test_no_text_raises(text: str) -> None:
    """The header comes from outside."""
    assert len(trace_id(text)) in {0, 32}
