"""Holds the addresses of a stack's services. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from console.stack.ports import LOOPBACK

PUBSUB_PORT, PUBSUB_HTTP_PORT = "Pub/Sub (gRPC)", "Pub/Sub (HTTP)"
DISPATCHER_PORT, WORKER_PORT, CONSOLE_PORT = "the dispatcher", "the worker", "the operator's page"
RELAY_PORT, SHARDS_RELAY_PORT = "the relay of jobs", "the relay of shards"


@dataclass(frozen=True)
class Addresses:
    """Addresses of the services, once the ports are known.

    Attributes:
        pubsub_host: `host:port` of localpubsub's gRPC API; `""` if another broker carries the messages.
        pubsub_http_url: URL of localpubsub's HTTP port; `""` if another broker carries the messages.
        dispatcher_url: URL that accepts crawls.
        worker_url: URL that accepts pushed jobs.
        console_url: URL of the operator's page; `""` if it is not served.
        broker_url: BROKER_URL of the services, with the password; `""` for Pub/Sub.
        relay_url: URL of the relay of jobs; `""` for Pub/Sub.
        shards_relay_url: URL of the relay of shards; `""` for Pub/Sub.
    """

    pubsub_host: str
    pubsub_http_url: str
    dispatcher_url: str
    worker_url: str
    console_url: str = ""
    broker_url: str = ""
    relay_url: str = ""
    shards_relay_url: str = ""

    @classmethod
    def at(cls, ports: Mapping[str, int], broker_url: str = "") -> "Addresses":
        """Make the addresses from the ports that `allocate_ports` chose for `StackOptions.wanted_ports`."""
        urls = {purpose: f"http://{LOOPBACK}:{port}" for purpose, port in ports.items()}
        return cls(
            pubsub_host=f"{LOOPBACK}:{ports[PUBSUB_PORT]}" if PUBSUB_PORT in ports else "",
            pubsub_http_url=urls.get(PUBSUB_HTTP_PORT, ""),
            dispatcher_url=urls[DISPATCHER_PORT],
            worker_url=urls[WORKER_PORT],
            console_url=urls.get(CONSOLE_PORT, ""),
            broker_url=broker_url,
            relay_url=urls.get(RELAY_PORT, ""),
            shards_relay_url=urls.get(SHARDS_RELAY_PORT, ""),
        )

    @property
    def ports(self) -> tuple[str, ...]:
        """The ports of the services, without those of a broker's server."""
        urls = (
            *(self.pubsub_host, self.pubsub_http_url, self.dispatcher_url, self.worker_url),
            *(self.console_url, self.relay_url, self.shards_relay_url),
        )
        return tuple(map(port_of, filter(None, urls)))

    @property
    def certs_url(self) -> str:
        """URL of the certificates that verify the push tokens; Google's URL has the same path."""
        return f"{self.relay_url or self.pubsub_http_url}/oauth2/v1/certs"


def port_of(address: str) -> str:
    """Return the port at the end of an address or a URL without a path."""
    return address.rpartition(":")[2]
