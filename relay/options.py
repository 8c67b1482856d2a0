"""Defines the options of the relay's command line, and checks them."""

import argparse
import os
from pathlib import Path

from contract.broker_url import broker_address
from contract.faults import ConfidentialFault
from contract.topology import DISPATCH_SUBSCRIPTION, PUSH_SUBSCRIPTION
from localpubsub.errors import InvalidArgument
from localpubsub.resources.limits import check_endpoint

MAX_WINDOW = 32_767  #: twice as many messages are received, and RabbitMQ's prefetch count has 16 bits
MAX_PARTITIONS = 64  #: so each has at least four of the slots (publishing/rabbitmq/wire.py)
EXAMPLE = """
BROKER_URL has the broker's URL, so that its password is not on the command line.

Example: BROKER_URL=amqp://guest:guest@localhost/ python -m relay --endpoint http://127.0.0.1:8080/
"""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of a command line; None stands for that of this process.

    Raises:
        SystemExit: an option or BROKER_URL is invalid; the fault has been printed.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    options.broker_url = os.environ.get("BROKER_URL", "")
    try:
        broker_address(options.broker_url)
    except ConfidentialFault as error:
        parser.error(f"BROKER_URL {error}")
    if options.max_backoff < options.min_backoff:
        parser.error("--max-backoff must not be less than --min-backoff")
    if not options.create and not options.endpoint:
        parser.error("--endpoint is missing: the URL of the worker, for example http://127.0.0.1:8080/")
    if bool(options.service_account) != bool(options.audience):
        parser.error("--service-account and --audience must be given together")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m relay",
        description="Deliver the messages of a broker to the worker, as the pushes of Pub/Sub.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--create", action="store_true", help="create topics and queues, and exit")
    add("--endpoint", type=_endpoint, metavar="URL", help="URL of the worker")
    add(
        "--subscription",
        choices=[DISPATCH_SUBSCRIPTION, PUSH_SUBSCRIPTION],
        default=PUSH_SUBSCRIPTION,
        help="which queue to deliver (default: %(default)s)",
    )
    add("--window", type=_number(1, MAX_WINDOW), default=100, help="most open pushes (default: %(default)s)")
    add(
        "--max-attempts",
        type=_number(1, 100),
        default=10,
        help="deliveries after which a message is dead-lettered (default: %(default)s)",
    )
    seconds = _number(0, 600)
    add("--min-backoff", type=seconds, default=10, help="seconds before the second delivery (default: 10)")
    add("--max-backoff", type=seconds, default=600, help="most seconds between two deliveries (default: 600)")
    add(
        "--ack-deadline",
        type=_number(1, 600),
        default=600,
        help="seconds that a push may take (default: 600)",
    )
    add("--grace", type=seconds, default=25, help="seconds to wait for open pushes at SIGTERM (default: 25)")
    add("--single-active", action="store_true", help="let one relay at a time receive, to keep the order")
    add(
        "--partitions",
        type=_number(1, MAX_PARTITIONS),
        default=1,
        metavar="N",
        help="divide the jobs by ordering key over N queues, which the relays share (RabbitMQ; default: 1)",
    )
    add("--service-account", default="", metavar="EMAIL", help="email in the tokens (PUSH_SERVICE_ACCOUNT)")
    add("--audience", default="", help="audience of the tokens (PUSH_AUDIENCE)")
    add("--key-directory", type=Path, help="directory of the signing key (default: a new key at each start)")
    add("--host", default="127.0.0.1", help="address of /oauth2/v1/certs, /healthz and /metrics")
    add("--port", type=_number(0, 65_535), default=8095, help="port of these (default: %(default)s)")
    return parser


class _number:  # noqa: N801 - it is used as a function, and argparse shows its name in errors
    """Parses a number within bounds."""

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def __call__(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and self._least <= int(text[:9]) <= self._most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {self._least}–{self._most}")
        return int(text)


def _endpoint(text: str) -> str:
    try:
        check_endpoint(text)
    except InvalidArgument:
        is_url = False
    else:
        is_url = text.isprintable()
    if not is_url:
        raise argparse.ArgumentTypeError(f"{text!r} is not a URL such as http://127.0.0.1:8080/")
    return text
