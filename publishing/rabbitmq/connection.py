"""Makes the parameters of a connection to RabbitMQ, and describes in a sentence why one failed."""

import logging
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pika
from pika import exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectorSocketConnectError

from contract.broker_url import BrokerAddress, broker_address
from contract.faults import ConfidentialFault
from publishing.broker_tls import describe_tls_failure, tls_context

# pika logs nine lines for each failed connection. `describe_failure` makes one sentence of them.
logging.getLogger("pika").setLevel(logging.CRITICAL)

CONNECT_SECONDS = 10.0  #: time limit of a TCP connection, and of the protocols' handshakes after it
#: Parameters that may follow `?` in BROKER_URL, with the names that RabbitMQ's own clients use
#: (https://www.rabbitmq.com/docs/uri-query-parameters). Each is the path of a PEM file, and needs `amqps://`.
FILES = ("cacertfile", "certfile", "keyfile")


def connection_parameters(url: str, name: str) -> pika.URLParameters:
    """Return the parameters of a connection.

    Args:
        url: BROKER_URL.
        name: name of the connection in RabbitMQ's management.

    Raises:
        ConfidentialFault: if it is no URL of RabbitMQ, or names a file that cannot be used. The message can
            follow the word BROKER_URL.
    """
    address = broker_address(url)
    parts = urlsplit(url)
    files = _files(parts.query, is_tls=address.scheme == "amqps")
    if parts.username is not None and parts.password is None:
        raise ConfidentialFault("has a user without a password, for example amqp://user:password@host:5672/")
    parameters = pika.URLParameters(parts._replace(query="", fragment="").geturl())
    parameters.client_properties = {"connection_name": name}
    parameters.socket_timeout = CONNECT_SECONDS
    parameters.stack_timeout = CONNECT_SECONDS
    parameters.blocked_connection_timeout = None
    if address.scheme == "amqps":
        parameters.ssl_options = pika.SSLOptions(tls_context(files), address.host)
    return parameters


def report_missing_sockets(workflow: Any) -> None:  # noqa: ANN401 - pika is not typed
    """Let an attempt to connect that gets no socket fail as all others do.

    pika creates the socket in a callback of the event loop, and lets the error, for example too many open
    files, escape into the loop. Then the attempt never ends, or the loop ends.

    Args:
        workflow: the attempts of a connection of pika, which have not begun.
    """
    make_connector = workflow._connector_factory  # noqa: SLF001 - pika has no public way to this

    def make_reporting_connector() -> Any:  # noqa: ANN401 - as above
        connector = make_connector()
        start = connector.start

        def start_or_report(
            addr_record: object, conn_params: object, on_done: Callable[[BaseException], None]
        ) -> None:
            try:
                start(addr_record, conn_params, on_done)
            except OSError as error:
                on_done(AMQPConnectorSocketConnectError(error))

        connector.start = start_or_report
        return connector

    workflow._connector_factory = make_reporting_connector  # noqa: SLF001 - as above


def _files(query: str, *, is_tls: bool) -> dict[str, str]:
    """Return the paths of the files that BROKER_URL names."""
    files = dict(parse_qsl(query, keep_blank_values=True))
    for name in files:
        if name not in FILES:
            raise ConfidentialFault(f"has an unknown parameter {name!r}; it may have {', '.join(FILES)}")
        if not is_tls:
            raise ConfidentialFault(f"has the parameter {name}, which needs amqps://")
    if "keyfile" in files and "certfile" not in files:
        raise ConfidentialFault("has the parameter keyfile without certfile")
    return files


def describe_failure(address: BrokerAddress, error: BaseException) -> str:
    """Return a sentence that says why there is no connection, or no channel, and how to mend it."""
    cause = _cause(error)
    if isinstance(cause, exceptions.ProbableAuthenticationError | exceptions.AuthenticationError):
        return f"RabbitMQ at {address} refused the user or the password of BROKER_URL"
    if isinstance(cause, exceptions.ProbableAccessDeniedError):
        return (
            f"RabbitMQ at {address} has no virtual host of the name at the end of BROKER_URL, or its user may"
            " not use it (rabbitmqctl list_permissions)"
        )
    if isinstance(cause, exceptions.ChannelClosedByBroker | exceptions.ConnectionClosedByBroker):
        return f"RabbitMQ at {address}: {cause.reply_text}{_remedy(cause.reply_code, cause.reply_text)}"
    if isinstance(cause, exceptions.IncompatibleProtocolError):
        return f"the server at {address} does not speak AMQP 0-9-1; BROKER_URL must name RabbitMQ's AMQP port"
    if isinstance(cause, ssl.SSLError):
        return f"RabbitMQ at {address}: {describe_tls_failure(cause)}"
    return f"RabbitMQ at {address} cannot be reached: {str(cause) or type(cause).__name__}"


def _remedy(code: int, text: str) -> str:
    if code == 404:
        return "; `python -m relay --create` creates exchanges and queues"
    if code == 403:
        return "; `rabbitmqctl set_permissions` gives the user of BROKER_URL the permission"
    if code == 406 and "inequivalent arg" in text:
        return (
            "; it exists with other settings: delete it once it is empty, and run `python -m relay --create`"
        )
    if code == 320:
        return "; RabbitMQ was stopped, or an operator closed the connection"
    if code == 541:
        return "; RabbitMQ itself failed: its log says why, and docs/brokers.md which failure needs a restart"
    return ""


def _cause(error: BaseException) -> BaseException:
    """Return the innermost exception: pika wraps those of each attempt to connect."""
    while True:
        inner = getattr(error, "exceptions", None) or ()
        further = inner[-1] if inner else getattr(error, "exception", None) or next(iter(error.args), None)
        if not isinstance(further, BaseException):
            return error
        error = further
