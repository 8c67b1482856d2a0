"""Makes the parameters of a connection to Redis, and describes in a sentence why something failed."""

import ssl
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from redis import exceptions

from contract.broker_url import BrokerAddress, broker_address
from contract.faults import ConfidentialFault
from publishing.broker_tls import describe_tls_failure, tls_context

MAX_DATABASE_DIGITS = 5  #: maximum length of the number of a database
CONNECT_SECONDS = 10.0  #: time limit of a TCP connection, and of each step of the handshakes after it
#: Errors after which the same command may succeed later; redis-py makes classes of some, without their codes.
#: Memory is full; a failover; the primary is down; slots move.
TRANSIENT_ERRORS = (
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.MasterDownError,
    exceptions.TryAgainError,
)
#: The codes of the others: the disk is full; too few replicas; a script runs.
TRANSIENT_CODES = ("MISCONF", "NOREPLICAS", "BUSY")


class NotConfirmed(Exception):
    """Redis did not carry out a command; the text says why.

    Attributes:
        is_transient: whether the same command may succeed later.
        was_sent: whether Redis may have carried it out nevertheless.
    """

    def __init__(self, why: str, *, is_transient: bool, was_sent: bool = True) -> None:
        super().__init__(why)
        self.is_transient = is_transient
        self.was_sent = was_sent


def accepts_loss(url: str) -> bool:
    """Return whether BROKER_URL says that messages may be lost."""
    return "accept_loss" in dict(parse_qsl(urlsplit(url).query))


def connection_parameters(url: str, name: str) -> dict[str, Any]:
    """Return the parameters of a `redis.Connection` or `redis.asyncio.Connection`.

    With `rediss://` the server's certificate is verified with the authorities of `cacertfile`, or of the file
    `SSL_CERT_FILE`, or of the system.

    Args:
        url: BROKER_URL.
        name: name of the connection in `CLIENT LIST`.

    Raises:
        ConfidentialFault: if it is no URL of Redis. The message can follow the word BROKER_URL.
    """
    address = broker_address(url)
    parts = urlsplit(url)
    database = parts.path.removeprefix("/") or "0"
    if not (database.isascii() and database.isdigit() and len(database) <= MAX_DATABASE_DIGITS):
        raise ConfidentialFault(
            "must end with the number of a database, for example redis://user:password@host:6379/0"
        )
    return {
        "host": address.host,
        "port": address.port,
        "db": int(database),
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "client_name": name,
        "protocol": 2,
        "driver_info": None,
        "socket_keepalive": True,
        "socket_timeout": CONNECT_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        **_tls(parts.query, is_tls=address.scheme == "rediss"),
    }


def _tls(query: str, *, is_tls: bool) -> dict[str, str]:
    """Check the parameters of BROKER_URL, and return those of TLS."""
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    if parameters.pop("accept_loss", "true") != "true":
        raise ConfidentialFault("has a value of accept_loss other than true")
    path = parameters.pop("cacertfile", None)
    if parameters:
        name = next(iter(parameters))
        raise ConfidentialFault(f"has an unknown parameter {name!r}; it may have accept_loss and cacertfile")
    if path is None:
        return {}
    if not is_tls:
        raise ConfidentialFault("has the parameter cacertfile, which needs rediss://")
    tls_context({"cacertfile": path})
    return {"ssl_ca_certs": path}


def describe_failure(address: BrokerAddress, error: BaseException) -> str:
    """Return a sentence that says what failed, and how to mend it."""
    text = str(error) or type(error).__name__
    code = text.partition(" ")[0]
    cause = error.__cause__ or error.__context__
    server = f"Redis at {address}"
    if isinstance(error, exceptions.AuthenticationError) or code in {"WRONGPASS", "NOAUTH"}:
        return f"{server} refused the user or the password of BROKER_URL"
    if isinstance(error, exceptions.InvalidResponse):
        return f"the server at {address} does not speak the protocol of Redis"
    if isinstance(cause, ssl.SSLError):
        return f"{server}: {describe_tls_failure(cause)}"
    if isinstance(error, exceptions.ResponseError):
        return f"{server}: {text}{_remedy(code, text)}"
    return f"{server} cannot be reached: {text}"


def not_confirmed(address: BrokerAddress, error: exceptions.RedisError) -> NotConfirmed:
    """Return the error of a command, with what Redis or the connection says."""
    return NotConfirmed(describe_failure(address, error), is_transient=is_transient(error))


def is_transient(error: Exception) -> bool:
    """Return whether a command may succeed later that has failed with this error."""
    if isinstance(error, exceptions.ResponseError) and not isinstance(error, TRANSIENT_ERRORS):
        return str(error).startswith(TRANSIENT_CODES)
    return isinstance(error, exceptions.RedisError)


def _remedy(code: str, text: str) -> str:
    if code == "WRONGTYPE":
        return "; another program uses the key of a topic: give Scrapeq a database of its own"
    if code == "NOGROUP" or "no such key" in text:
        return "; `python -m relay --create` creates the streams and groups"
    if code == "NOPERM" or "has no permissions" in text:
        return "; `ACL SETUSER` gives the user of BROKER_URL the permission"
    if "DB index is out of range" in text:
        return "; BROKER_URL must end with the number of a database that exists"
    if code == "OOM" or "used memory > 'maxmemory'" in text:
        return "; Redis takes messages again when others were settled, or when maxmemory is larger"
    return ""
