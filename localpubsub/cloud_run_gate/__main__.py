"""Parses the options of the command ``python -m localpubsub.cloud_run_gate`` and runs the gate."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from typing import Final

from aiohttp import web

from localpubsub.cli_arguments import add_allowed_host, at_least_one, port
from localpubsub.cloud_run_gate.gate import CERTIFICATES, GRACE_SECONDS, CloudRunGate, GateOptions
from localpubsub.cloud_run_gate.revision import Scaling
from localpubsub.event_loop import on_signal
from localpubsub.open_files import raise_limit

#: How many requests may wait in the gate while all slots are taken: the lower limit of Pub/Sub's push window.
WAITING_REQUESTS: Final = 3000


async def serve(options: GateOptions, host: str, port: int) -> None:
    """Run the gate until SIGINT or SIGTERM; SIGHUP replaces its revision.

    Args:
        options: the options of the gate.
        host: address to listen on.
        port: port to listen on; 0 chooses a free port.
    """
    stop = asyncio.Event()
    gate = CloudRunGate(options)

    def deploy() -> None:
        gate.deploy()
        print(f"localpubsub.cloud_run_gate: deploy {gate.deploys}", flush=True)  # noqa: T201 - it shows that the signal arrived

    for name in ("SIGINT", "SIGTERM"):
        on_signal(name, stop.set)
    on_signal("SIGHUP", deploy)
    slots = options.scaling.max_instances * options.scaling.concurrency
    # A request that is forwarded has two connections.
    raise_limit(2 * slots + WAITING_REQUESTS)
    runner = web.AppRunner(gate.application(), access_log=None, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=WAITING_REQUESTS).start()
        port = runner.addresses[0][1]
        print(f"localpubsub.cloud_run_gate: http://{host}:{port} → {options.to}", flush=True)  # noqa: T201 - a command prints its address
        await stop.wait()
    finally:
        await runner.cleanup()


def main(arguments: list[str] | None = None) -> int:
    """Run the gate until it is stopped; return the exit status, which is 2 if it cannot listen."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if not 0 <= chosen.min_instances <= chosen.max_instances:
        parser.error("--min-instances must be from 0 to --max-instances")
    scaling = Scaling(
        concurrency=chosen.concurrency,
        min_instances=chosen.min_instances,
        max_instances=chosen.max_instances,
        start_up_seconds=chosen.start_up_seconds,
        queue_seconds=chosen.queue_seconds,
    )
    options = GateOptions(
        to=chosen.to,
        audience=chosen.audience,
        service_account=chosen.service_account,
        certs_url=chosen.certs_url,
        scaling=scaling,
        grace_seconds=chosen.grace_seconds,
        allowed_hosts=(chosen.host.lower(), *chosen.allowed_hosts),
    )
    try:
        asyncio.run(serve(options, chosen.host, chosen.port))
    except OSError as error:
        message = f"localpubsub.cloud_run_gate: cannot listen on {chosen.host}:{chosen.port}: {error}"
        print(message, file=sys.stderr)  # noqa: T201 - a command prints its errors
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m localpubsub.cloud_run_gate",
        description="Run a reverse proxy that checks, queues and rejects requests to a push endpoint as "
        "Cloud Run does. SIGHUP replaces the revision, as a deploy does.",
    )
    add = parser.add_argument
    add("--to", required=True, metavar="URL", help="URL of the server to forward to")
    add("--audience", required=True, help="the required audience of the tokens")
    add(
        "--service-account",
        default="",
        metavar="EMAIL",
        help="the only service account that may invoke the server (default: every account may)",
    )
    add(
        "--certs-url",
        default=CERTIFICATES,
        metavar="URL",
        help="URL of the certificates that verify the tokens (default: %(default)s)",
    )
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add_allowed_host(add)
    add("--port", type=port, default=8080, help="port to listen on, 0 for a free one (default: %(default)s)")
    _add_scaling_options(add)
    return parser


def _add_scaling_options(add: Callable[..., object]) -> None:
    default = Scaling()
    add(
        "--concurrency",
        type=at_least_one,
        default=default.concurrency,
        metavar="N",
        help="maximum number of concurrent requests of one instance (default: %(default)s)",
    )
    add(
        "--max-instances",
        type=at_least_one,
        default=default.max_instances,
        metavar="N",
        help="maximum number of instances (default: %(default)s)",
    )
    add(
        "--min-instances",
        type=int,
        default=default.min_instances,
        metavar="N",
        help="number of instances that exist from the start (default: %(default)s)",
    )
    add(
        "--start-up-seconds",
        type=_seconds,
        default=default.start_up_seconds,
        metavar="S",
        help="start-up time of an instance, which is started when requests wait; with 0, all instances exist "
        "from the start (default: %(default)g)",
    )
    add(
        "--queue-seconds",
        type=_seconds,
        default=default.queue_seconds,
        metavar="S",
        help="how long a request waits for a slot before it is rejected with 429, if this is longer than 3.5 "
        "times the start-up time (default: %(default)g)",
    )
    add(
        "--grace-seconds",
        type=_seconds,
        default=GRACE_SECONDS,
        metavar="S",
        help="how long requests continue after SIGHUP has replaced their revision (default: %(default)g)",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds: it must be at least 0")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
