"""Makes clients that may contact this machine, and returns the body or the error of a request."""

import time

import pytest

from guarded_http.addresses import parse_networks
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer, HostLookup
from guarded_http.errors import FetchError
from guarded_http.resolver import make_resolver
from tests.servers.certificates import CertificateAuthority
from tests.servers.fake_resolver import FakeResolver

MAX_BYTES = 100_000


class SecondsLeft:
    """A deadline that passes a number of seconds after its creation.

    Raises:
        TimeoutError: by `remaining`, once the deadline has passed.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds until the deadline, which are more than 0."""
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the deadline has passed")
        return seconds


def local_client(resolver: HostLookup | None = None) -> HttpClient:
    """Return a client that may contact this machine."""
    return HttpClient("scrapeq/test", Dialer(parse_networks("127.0.0.0/8"), resolver or make_resolver()))


def trusting_client(authority: CertificateAuthority) -> HttpClient:
    """Return a client that trusts only the authority, and resolves every name to this machine."""
    dialer = Dialer(parse_networks("127.0.0.0/8"), FakeResolver(["127.0.0.1"]))
    return HttpClient("scrapeq/test", dialer, tls_context=authority.client)


def get_body(client: HttpClient, url: str, seconds: float = 60) -> bytes:
    """Return the body at `url`; the deadline only guards against hanging."""
    with client.send(url, SecondsLeft(seconds)) as response:
        return response.read_body(MAX_BYTES)


def get_error(client: HttpClient, url: str, seconds: float = 60) -> FetchError:
    """Return the error of a request that fails; the deadline only guards against hanging."""
    with pytest.raises(FetchError) as failure:
        get_body(client, url, seconds)
    return failure.value
