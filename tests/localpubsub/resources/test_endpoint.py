"""Tests which push endpoints are accepted."""

import pytest

from localpubsub.errors import InvalidArgument
from localpubsub.resources.limits import check_endpoint

LABEL = "a" * 63


@pytest.mark.parametrize(
    "host",
    ["a..b", ".b", "..", f"{LABEL}a.b", ".".join([LABEL] * 4)],
    ids=["empty part", "empty first part", "only dots", "long part", "long name"],
)
def test_endpoint_whose_host_cannot_be_encoded_is_rejected_with_a_reason(host: str) -> None:
    """A host name that no resolver accepts is an invalid argument, and the error says why."""
    with pytest.raises(InvalidArgument, match="at most 253 characters, and the parts between its dots"):
        check_endpoint(f"http://{host}/push")


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x"])
def test_endpoint_with_an_invalid_port_is_rejected(port: str) -> None:
    """Port 0 is none, and pushes must not go to port 80 instead."""
    with pytest.raises(InvalidArgument, match="absolute http:// or https:// URL"):
        check_endpoint(f"http://localhost:{port}/push")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost.", "a.b", f"{LABEL}.b", "127.0.0.1", "[::1]", "xn--bcher-kva.example"]
)
def test_endpoint_with_a_valid_host_is_accepted(host: str) -> None:
    """Names, absolute names, addresses and encoded names are valid hosts."""
    check_endpoint(f"http://{host}:8080/push")
