"""Asking sites of the public internet with requests: guarded connections; redirects are told, not followed.

Nothing of this machine takes part: no proxy, no password of .netrc, no cookie.
"""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests

from contract.outcome import Reason
from guarded_http.addresses import read_networks
from guarded_http.connection import Meter
from guarded_http.content_coding import ACCEPTED
from guarded_http.dial import Dial
from guarded_http.errors import Deadline
from guarded_http.response import Answer, told
from guarded_http.transport import Exchange, Transport


class _Session(requests.Session):
    """A session that remembers nothing, takes nothing from the environment, and follows nobody."""

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        for scheme in ("http://", "https://"):
            self.mount(scheme, transport)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Say that there is none: requests would read the answer's whole body first."""


class HttpClient:
    """Asks sites.

    Args:
        user_agent: what they see.
        dial: makes the connections.
        tls: makes the context that checks certificates; not before the first https.
    """

    def __init__(
        self, user_agent: str, dial: Dial, *, tls: Callable[[], ssl.SSLContext] | None = None
    ) -> None:
        self._user_agent = user_agent
        self._session = _Session(Transport(dial, tls or public_tls))

    @contextmanager
    def get(self, url: str, deadline: Deadline, *, accept: str = "*/*") -> Iterator[Answer]:
        """Ask for `url`, as `check_url` wrote it; the answer is there once its head is.

        Raises:
            FetchError: for whatever keeps it from coming.
        """
        request, meter = self._request(url, accept), Meter(deadline)
        exchange = Exchange(request.path_url, meter)
        with told(deadline, otherwise=Reason.CONNECT):
            response = self._session.send(
                request,
                stream=True,
                timeout=exchange,  # type: ignore[arg-type] # requests' adapter takes urllib3's Timeout too
                allow_redirects=False,
                proxies={},
            )
        with response:
            yield Answer(response, meter)

    def _request(self, url: str, accept: str) -> requests.PreparedRequest:
        request = requests.PreparedRequest()
        request.prepare_method("GET")
        request.prepare_headers(
            {
                "Host": urlsplit(url).netloc,
                "User-Agent": self._user_agent,
                "Accept": accept,
                "Accept-Encoding": ACCEPTED,
            }
        )
        request.url = url  # as it is written: prepare_url would spell its escapes anew
        return request


def make_client(user_agent: str, allow_networks: str = "") -> HttpClient:
    """Return a client for the public internet.

    Args:
        user_agent: the User-Agent header of every request.
        allow_networks: comma-separated CIDRs that may be contacted although they are not public.
    """
    return HttpClient(user_agent, Dial(read_networks(allow_networks)))


@cache
def public_tls() -> ssl.SSLContext:
    """Return what checks certificates against those that browsers trust."""
    import certifi  # noqa: PLC0415 - not needed before the first https

    return ssl.create_default_context(cafile=certifi.where())
