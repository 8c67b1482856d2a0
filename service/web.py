"""Asking sites of the public internet: guarded connections, kept open; redirects are told, not followed.

Nothing of this machine takes part: no proxy, no password of .netrc, no cookie.
"""

import ssl
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from contract.outcome import Reason
from service import log
from service.addresses import read_networks
from service.answer import Answer, told
from service.connection import Connection, Meter, Response
from service.content_coding import ACCEPTED
from service.dial import Dial
from service.no_answer import Deadline
from service.settings import ServiceSettings

MOST_IDLE = 256  #: connections kept open, to all sites
_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where a request goes (RFC 6454): what connections are kept by."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Return the origin of a checked URL."""
        parts = urlsplit(url)
        return cls(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])


class Web:
    """Asks sites.

    Args:
        user_agent: what they see.
        dial: makes the connections.
        connections: how many may be kept open to one site, and at least in all.
        tls: makes the context that checks certificates; once, when it is first needed.
    """

    def __init__(
        self,
        user_agent: str,
        dial: Dial,
        *,
        connections: int = MOST_IDLE,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._user_agent = user_agent
        self._dial = dial
        self._tls = tls or public_tls
        self._idle = _Idle(max(connections, MOST_IDLE))
        weakref.finalize(self, self._idle.close)

    @contextmanager
    def get(self, url: str, deadline: Deadline, *, accept: str = "*/*") -> Iterator[Answer]:
        """Ask for `url`, as `check_url` wrote it; the answer is there once its head is.

        Raises:
            NoAnswer: for whatever keeps it from coming.
        """
        meter = Meter(deadline)
        connection, response = self._ask(url, accept, meter)
        keep = False
        try:
            answer = Answer(response, meter)
            yield answer
            keep = answer.is_over
        finally:
            response.close()
            if keep and connection.sock is not None:
                self._idle.keep(Origin.of(url), connection)
            else:
                connection.close()

    def _ask(self, url: str, accept: str, meter: Meter) -> tuple[Connection, Response]:
        origin, parts = Origin.of(url), urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        fields = {
            "Host": parts.netloc,
            "User-Agent": self._user_agent,
            "Accept": accept,
            "Accept-Encoding": ACCEPTED,
        }

        def ask() -> tuple[Connection, Response]:
            if kept := self._idle.take(origin):
                try:
                    return kept, _exchange(kept, target, fields, meter)
                except ConnectionError:  # the site closed it while the request was on its way
                    if meter.received:
                        raise
            fresh = Connection(
                origin.host, origin.port, self._dial, self._tls if origin.scheme == "https" else None
            )
            return fresh, _exchange(fresh, target, fields, meter)

        return told(meter.deadline, ask, otherwise=Reason.CONNECT)


def _exchange(connection: Connection, target: str, fields: dict[str, str], meter: Meter) -> Response:
    try:
        if connection.sock is None:
            connection.open(meter.deadline)
        return connection.ask(target, fields, meter)
    except BaseException:
        connection.close()
        raise


def open_web(settings: ServiceSettings, *, connections: int = MOST_IDLE) -> Web:
    """Return the web as a service may see it, and say so where that is more than the public internet."""
    opened = settings.fetch_allow_networks
    if opened:
        log.event(log.WARNING, "fetches may leave the public internet", {"FETCH_ALLOW_NETWORKS": opened})
    return Web(settings.user_agent, Dial(read_networks(opened)), connections=connections)


@cache
def public_tls() -> ssl.SSLContext:
    """Return what checks certificates against those that browsers trust."""
    import certifi  # noqa: PLC0415 - not needed before the first https

    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Idle:
    """Connections that nobody uses now: `most` of all sites; those longest not asked close first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Origin, list[Connection]] = OrderedDict()
        self._count = 0
        self._lock = Lock()

    def take(self, origin: Origin) -> Connection | None:
        """Return a connection to `origin` over which nothing came that nobody asked for."""
        while connection := self._pop(origin):
            if connection.is_quiet():
                return connection
            connection.close()
        return None

    def keep(self, origin: Origin, connection: Connection) -> None:
        """Keep a connection open."""
        with self._lock:
            self._kept.setdefault(origin, []).append(connection)
            self._kept.move_to_end(origin)
            self._count += 1
        while self._count > self._most and (oldest := self._pop(next(iter(self._kept)))):
            oldest.close()

    def close(self) -> None:
        """Close them all."""
        for origin in list(self._kept):
            while connection := self._pop(origin):
                connection.close()

    def _pop(self, origin: Origin) -> Connection | None:
        with self._lock:
            connections = self._kept.get(origin)
            if not connections:
                return None
            self._count -= 1
            connection = connections.pop()
            if not connections:
                del self._kept[origin]
            return connection
