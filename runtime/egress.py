"""Finds out, at the start of a service, whether connections can leave it.

With a network of its own, an instance of Cloud Run may be unable to connect for a minute or more:
https://cloud.google.com/run/docs/configuring/vpc-direct-vpc#limitations
"""

import re
import socket
import threading
import time
from collections.abc import Callable, Sequence

from runtime import log

PUBSUB = "pubsub.googleapis.com:443"
#: Seconds after which a service starts although it has reached no outside host: then these hosts are down
#: rather than the network. Terraform's start-up probe waits longer.
MAX_OUTSIDE_SECONDS = 120.0
CONNECT_SECONDS = 2.0  #: limit for one connection; the first packets are lost, so further attempts are better
PAUSE_SECONDS = 0.5  #: pause between two attempts

_ADDRESS = re.compile(r"([\w-]+(?:\.[\w-]+)*|\[[0-9A-Fa-f:.]+\]):(\d{1,5})", re.ASCII)


def parse_addresses(text: str) -> tuple[str, ...]:
    """Return the comma-separated `host:port` of a setting.

    Raises:
        ValueError: if one is not a host and a port.
    """
    addresses = tuple(filter(None, map(str.strip, text.split(","))))
    for address in addresses:
        found = _ADDRESS.fullmatch(address)
        if not found or not 1 <= int(found[2]) <= 65535:
            raise ValueError(f"{address!r} is not host:port, for example one.one.one.one:443")
    return addresses


class Egress:
    """Connects to Pub/Sub and to one of some outside hosts, in a thread, until both have succeeded once.

    Args:
        pubsub: `host:port` of Pub/Sub. Without it no job can succeed, so it is waited for without a limit.
        outside: `host:port` of hosts outside of Google's network, of which one is enough; if empty, nothing
            is checked.
        connect: makes a connection and closes it; it raises OSError if that fails.
        clock: seconds of a monotonic clock.
        sleep: sleeps for some seconds.
    """

    def __init__(
        self,
        pubsub: str,
        outside: Sequence[str],
        *,
        connect: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._groups = [(pubsub,), tuple(outside)] if outside else []
        self._connect, self._clock, self._sleep = connect or _connect, clock, sleep
        self._lock = threading.Lock()
        self._is_started = False

    def waiting_for(self) -> list[str]:
        """Return the hosts that were not reached yet; the first call starts the attempts."""
        with self._lock:
            if self._groups and not self._is_started:
                self._is_started = True
                threading.Thread(target=self.watch, name="egress", daemon=True).start()
            return [" or ".join(group) for group in self._groups]

    def watch(self) -> None:
        """Make attempts until Pub/Sub was reached, and an outside host was reached or its time is over."""
        outside = self._groups[-1]
        until = self._clock() + MAX_OUTSIDE_SECONDS
        while True:
            self._groups = [group for group in self._groups if not any(map(self._reaches, group))]
            if self._groups == [outside] and self._clock() >= until:
                log.event(log.WARNING, "outside_unreachable", {"hosts": ", ".join(outside)})
                self._groups = []
            if not self._groups:
                return
            self._sleep(PAUSE_SECONDS)

    def _reaches(self, address: str) -> bool:
        try:
            self._connect(address)
        except OSError:
            return False
        return True


def _connect(address: str) -> None:
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
