"""Runs the relay until SIGINT or SIGTERM: `python -m relay`."""

import argparse
import asyncio
import logging
import sys

from aiohttp import web

from localpubsub.backlog.retry_policy import RetryPolicy
from localpubsub.clock import Clock
from localpubsub.event_loop import new_event_loop, on_signal
from localpubsub.push.tls import TlsContext
from localpubsub.push.tokens import Tokens
from localpubsub.push.window import PushWindow
from relay.broker import CannotRelay
from relay.deliveries import Deliveries, DeliveryPolicy
from relay.http_app import make_app
from relay.options import TOPICS, parse
from relay.push_request import AnswerEndpoint
from relay.rabbitmq import RabbitMq
from relay.rabbitmq_topology import all_queues, create, subscription_queues

_log = logging.getLogger("relay")


def main(arguments: list[str] | None = None) -> int:
    """Run the relay; return the exit status, which is 2 if it cannot start."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    retry = RetryPolicy(options.min_backoff, options.max_backoff)
    try:
        if options.create:
            queues = list(all_queues(retry, options.max_attempts, single_active=options.single_active))
            create(options.broker_url, queues)
            print("relay: these queues exist:", *(queue.name for queue in queues))  # noqa: T201 - the result
            return 0
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_serve(options, retry))
    except (CannotRelay, OSError) as error:
        print(f"relay: {error}", file=sys.stderr)  # noqa: T201 - a command prints its errors
        return 2
    return 0


async def _serve(options: argparse.Namespace, retry: RetryPolicy) -> None:
    stop = asyncio.Event()
    for name in ("SIGINT", "SIGTERM"):
        on_signal(name, stop.set)
    queues = list(
        subscription_queues(
            options.subscription,
            TOPICS[options.subscription],
            retry,
            options.max_attempts,
            single_active=options.single_active,
        )
    )
    # Some messages wait here, so that the next one need not be fetched first when a push was answered.
    broker = RabbitMq(options.broker_url, queues, prefetch=2 * options.window)
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
            retry=retry,
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
