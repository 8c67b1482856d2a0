"""Runs the relay until SIGINT or SIGTERM: `python -m relay`."""

import argparse
import asyncio
import logging
import sys

from aiohttp import web

from contract.faults import ConfidentialFault
from localpubsub.backlog.retry_policy import RetryPolicy
from localpubsub.clock import Clock
from localpubsub.event_loop import new_event_loop, on_signal
from localpubsub.open_files import OTHER_FILES, raise_limit
from localpubsub.private_files import make_private_directory
from localpubsub.push.tls import TlsContext
from localpubsub.push.tokens import Tokens
from localpubsub.push.window import PushWindow
from relay.broker import CannotRelay
from relay.deliveries import Deliveries
from relay.delivery_policy import DeliveryPolicy
from relay.http_app import make_app
from relay.open_broker import BrokerKind, broker_kind
from relay.options import parse
from relay.push_request import AnswerEndpoint
from relay.subscriptions import Redelivery, all_subscriptions, pushed

_log = logging.getLogger("relay")


def main(arguments: list[str] | None = None) -> int:
    """Run the relay; return the exit status, which is 2 if it cannot start."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for library in ("aiohttp.access", "botocore"):
        logging.getLogger(library).setLevel(logging.WARNING)
    retry = RetryPolicy(options.min_backoff, options.max_backoff)
    redelivery = Redelivery(retry, options.max_attempts, options.single_active, options.partitions)
    try:
        kind = _kind_of(options)
        if options.create:
            queues = kind.create(options.broker_url, all_subscriptions(redelivery))
            print("relay: these queues exist:", *queues)  # noqa: T201 - the result
            return 0
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_serve(options, kind, redelivery))
    except ConfidentialFault as error:
        print(f"relay: BROKER_URL {error}", file=sys.stderr)  # noqa: T201 - a command prints its errors
        return 2
    except (CannotRelay, OSError) as error:
        print(f"relay: {error}", file=sys.stderr)  # noqa: T201 - a command prints its errors
        return 2
    return 0


def _kind_of(options: argparse.Namespace) -> BrokerKind:
    kind = broker_kind(options.broker_url)
    if options.partitions > 1 and kind.why_no_partitions:
        raise CannotRelay(f"--partitions: {kind.why_no_partitions}")
    return kind


async def _serve(options: argparse.Namespace, kind: BrokerKind, redelivery: Redelivery) -> None:
    stop = asyncio.Event()
    for name in ("SIGINT", "SIGTERM"):
        on_signal(name, stop.set)
    raise_limit(options.window + OTHER_FILES)
    # Some messages wait here, so that the next one need not be fetched first when a push was answered. Of
    # each of several partitions as many are received as are pushed at a time, since all others may be empty.
    prefetch = options.window if redelivery.partitions > 1 else 2 * options.window
    broker = kind.open(options.broker_url, pushed(redelivery)[options.subscription], prefetch)
    if options.key_directory is not None:
        make_private_directory(options.key_directory)
    tokens = Tokens(options.key_directory, Clock())
    deliveries = Deliveries(
        broker,
        AnswerEndpoint(options.endpoint, TlsContext()),
        tokens,
        PushWindow(options.window),
        DeliveryPolicy(
            subscription=f"projects/relay/subscriptions/{options.subscription}",
            ack_deadline=options.ack_deadline,
            max_attempts=options.max_attempts,
            retry=redelivery.retry,
            service_account=options.service_account,
            audience=options.audience,
        ),
    )
    # The worker asks for the certificates at its first push, so they are served before that.
    server = web.AppRunner(make_app(tokens, deliveries.counters))
    await server.setup()
    await web.TCPSite(server, options.host, options.port).start()
    try:
        await broker.start(deliveries.take)
        await stop.wait()
        _log.info("relay_stops grace=%s", options.grace)
        await deliveries.stop(options.grace)
    finally:
        await broker.close()
        await server.cleanup()


if __name__ == "__main__":
    sys.exit(main())
