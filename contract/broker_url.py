"""Reads BROKER_URL: which broker carries the messages instead of Pub/Sub, and where it listens. Pure."""

from typing import NamedTuple
from urllib.parse import urlsplit

from contract.faults import ConfidentialFault
from contract.sqs_url import read_sqs_url

#: For each scheme of BROKER_URL, the port of the broker if the URL has none.
DEFAULT_PORTS = {
    "amqp": 5672,
    "amqps": 5671,
    "redis": 6379,
    "rediss": 6379,
    "sqs": 443,
    "sqs+http": 80,
    "sqs+https": 443,
}
#: For each scheme the broker, which is also the extra of the package scrapeq with its client.
KINDS = {
    "amqp": "rabbitmq",
    "amqps": "rabbitmq",
    "redis": "redis",
    "rediss": "redis",
    "sqs": "sqs",
    "sqs+http": "sqs",
    "sqs+https": "sqs",
}
MAX_URL_CHARACTERS = 2000  #: maximum length of a broker's URL


class BrokerAddress(NamedTuple):
    """Where a broker listens; it contains neither user nor password, so it can be shown.

    Attributes:
        scheme: the scheme of the URL, a key of `DEFAULT_PORTS`.
        host: the host name or address.
        port: the TCP port.
    """

    scheme: str
    host: str
    port: int

    @property
    def kind(self) -> str:
        """The broker, a value of `KINDS`."""
        return KINDS[self.scheme]

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def broker_address(url: str) -> BrokerAddress:
    """Return the address in a broker's URL, for example `amqp://user:password@rabbit.example:5672/vhost`.

    Raises:
        ConfidentialFault: if it is no such URL. The message does not repeat the URL, which may contain a
            password.
    """
    schemes = " or ".join(f"{scheme}://" for scheme in DEFAULT_PORTS)
    example = "for example amqp://user:password@host:5672/"
    if len(url) > MAX_URL_CHARACTERS:
        raise ConfidentialFault(f"must have at most {MAX_URL_CHARACTERS} characters")
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")  # as the look-up of its address does
    except ValueError:
        raise ConfidentialFault(f"is not a URL, {example}") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise ConfidentialFault(f"must begin with {schemes}, {example}; leave it empty for Pub/Sub")
    if parts.scheme.startswith("sqs"):
        sqs = read_sqs_url(parts)
        return BrokerAddress(parts.scheme, sqs.host, sqs.port or DEFAULT_PORTS[parts.scheme])
    if not parts.hostname:
        raise ConfidentialFault(f"has no host, {example}")
    return BrokerAddress(parts.scheme, parts.hostname, port or DEFAULT_PORTS[parts.scheme])
