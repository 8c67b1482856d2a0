"""Parses the options of the command ``localpubsub`` and runs the server."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from localpubsub.cli_arguments import HelpFormatter, add_allowed_host, at_least_one, non_negative, port
from localpubsub.errors import CannotStart
from localpubsub.event_loop import new_event_loop, on_signal
from localpubsub.options import LOG_LEVELS, Options
from localpubsub.server import Server
from localpubsub.setup.projects import of_environment
from localpubsub.version import __version__


def main(arguments: list[str] | None = None) -> int:
    """Run the server until SIGINT or SIGTERM; return the exit status, which is 2 if it could not start."""
    options = options_of(arguments)
    options = replace(options, projects=(*of_environment(os.environ), *options.projects))
    logging.basicConfig(level=options.logging_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_serve(options))
    except CannotStart as error:
        print(f"localpubsub: {error}", file=sys.stderr)  # noqa: T201 - a command prints its errors
        return 2
    return 0


def options_of(arguments: list[str] | None) -> Options:
    """Return the options that the arguments of the command give; None stands for those of this process.

    Raises:
        SystemExit: an argument is invalid; the fault has been printed.
    """
    return Options(**vars(_parser().parse_args(arguments)))


async def _serve(options: Options) -> None:
    stop = asyncio.Event()
    for name in ("SIGINT", "SIGTERM"):
        on_signal(name, stop.set)
    server = Server(options)
    await server.start()
    print(  # noqa: T201 - a command prints its addresses
        f"localpubsub: gRPC on {server.host} (PUBSUB_EMULATOR_HOST={server.host})\n"
        f"localpubsub: REST and state on {server.http_url}/ (certificates: {server.certs_url})\n"
        f"localpubsub: data in {server.data.absolute() if server.data else 'memory only'}",
        flush=True,
    )
    await stop.wait()
    await server.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="localpubsub",
        description="Run a Google Pub/Sub server for laptops and tests.",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    default = Options()
    _add_location_options(parser.add_argument, default)
    _add_serving_options(parser.add_argument, default)
    _add_simulation_options(parser.add_argument, default)
    return parser


def _add_location_options(add: Callable[..., object], default: Options) -> None:
    """Add the options about files, addresses and logs."""
    add(
        "--data",
        type=Path,
        default=default.data,
        help="directory for all data that must survive a restart (default: %(default)s)",
    )
    add(
        "--ephemeral",
        action="store_true",
        help="keep all data in memory only; it is lost when the server stops",
    )
    add("--host", default=default.host, help="address to listen on (default: %(default)s)")
    add_allowed_host(add)
    add(
        "--port",
        type=port,
        default=default.port,
        help="port of gRPC and REST, 0 for a free one (default: %(default)s)",
    )
    add(
        "--http-port",
        type=port,
        help="second port of gRPC and REST, in the printed URLs (default: --port + 1)",
    )
    add("--setup", type=Path, metavar="FILE", help="YAML file of topics and subscriptions to create at start")
    add(
        "--project",
        action="append",
        default=[],
        dest="projects",
        metavar="PROJECT,TOPIC:SUBSCRIPTION,...",
        help="topics and subscriptions to create at start, in addition to those of the environment variables "
        "PUBSUB_PROJECT1, PUBSUB_PROJECT2, ...; SUBSCRIPTION+ENDPOINT pushes; can be repeated",
    )
    add(
        "--log-level",
        choices=LOG_LEVELS,
        default=default.log_level,
        help="lowest level to log (default: %(default)s)",
    )


def _add_serving_options(add: Callable[..., object], default: Options) -> None:
    """Add the options about pushes, exports and durability."""
    add(
        "--max-outstanding",
        type=at_least_one,
        default=default.max_outstanding,
        help="maximum number of concurrent pushes of one subscription (default: %(default)s)",
    )
    add(
        "--window-floor",
        type=at_least_one,
        default=default.window_floor,
        metavar="N",
        help="number of concurrent pushes below which nacks do not reduce a push window that has reached it "
        "(default: %(default)s, as Pub/Sub)",
    )
    add(
        "--create-tables",
        action=argparse.BooleanOptionalAction,
        default=default.create_tables,
        help="create missing tables and buckets of export subscriptions (default: yes)",
    )
    add(
        "--fsync",
        action="store_true",
        help="confirm a change only when it survives a power failure, which is slower "
        "(default: when it survives a crash of the process)",
    )
    add(
        "--ca-file",
        type=Path,
        metavar="PEM",
        help="further certificate authorities to trust for https:// push endpoints",
    )


def _add_simulation_options(add: Callable[..., object], default: Options) -> None:
    """Add the options for tests: missing permissions, scaled time and injected faults."""
    add(
        "--without-service-agent-permissions",
        action="store_false",
        dest="service_agent_permissions",
        help="run as if Pub/Sub's service agent had no roles: messages are not dead-lettered, and "
        "attempts are not counted",
    )
    # Version 0.1 had the same option under this name.
    add(
        "--without-agent-rights",
        action="store_false",
        dest="service_agent_permissions",
        help=argparse.SUPPRESS,
    )
    add(
        "--history",
        type=non_negative,
        metavar="N",
        help="number of messages to remember for GET /messages (default: 1000 with --ephemeral, otherwise 0)",
    )
    add(
        "--time-scale",
        type=float,
        default=default.time_scale,
        metavar="N",
        help="make every deadline, backoff and retention N times as fast, in the same order "
        "(default: %(default)g)",
    )
    add(
        "--chaos",
        default=default.chaos,
        metavar="SWITCHES",
        help="faults to inject, for example "
        "duplicate=0.05,drop_ack=0.02,delay=200ms,early_dead_letter=0.01,seed=7 (default: no faults)",
    )


def run() -> None:
    """Run the server as the console script ``localpubsub``, and end the process with its exit status."""
    sys.exit(main())


if __name__ == "__main__":
    run()
