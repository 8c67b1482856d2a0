"""Runs several instances of the worker, each a process with its own memory, behind one address.

The instances of a Cloud Run service share nothing but the queue. `Stack` runs one instance; these are more of
them. A TCP proxy gives each connection to the next instance, as a load balancer does.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import cycle
from typing import cast

import requests

from console.stack.ports import free_port
from console.stack.pubsub_setup import subscriber_client, subscription_path
from console.stack.stack import Stack
from contract.topology import PUSH_SUBSCRIPTION
from tests.servers.waiting import wait_until


@contextmanager
def worker_fleet(stack: Stack, instances: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Replace the worker of a running stack by `instances` instances; yield their processes."""
    with ExitStack() as cleanup:
        ports = [free_port() for _ in range(instances)]
        processes = [cleanup.enter_context(_instance(stack, port)) for port in ports]
        for port in ports:
            wait_until(partial(_is_healthy, port), f"the instance at port {port} is healthy")
        front = cleanup.enter_context(_round_robin(ports))
        _push_to(stack, f"http://127.0.0.1:{front}")
        yield processes


@contextmanager
def _instance(stack: Stack, port: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, **stack.environment, "PORT": str(port), "WEB_CONCURRENCY": "1"}
    command = [sys.executable, "-m", "gunicorn", "-c", "python:worker.gunicorn_conf"]
    log = (stack.options.data / "logs" / f"worker-{port}.log").open("wb")
    with log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            process.terminate()


def _is_healthy(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok
    except requests.RequestException:
        return False


def _push_to(stack: Stack, endpoint: str) -> None:
    with subscriber_client(stack.pubsub_host) as subscriber:
        name = subscription_path(PUSH_SUBSCRIPTION)
        config = subscriber.get_subscription(subscription=name, timeout=20).push_config
        config.push_endpoint = endpoint
        subscriber.modify_push_config(subscription=name, push_config=config, timeout=20)


@contextmanager
def _round_robin(ports: list[int]) -> Iterator[int]:
    """Run a TCP proxy that gives each connection to the next of `ports`; yield its port."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()
    thread = threading.Thread(target=asyncio.run, args=(_serve(cycle(ports), started),))
    thread.start()
    loop, stop, port = started.result()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


async def _serve(
    ports: Iterator[int], started: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]]"
) -> None:
    connections = set[asyncio.Task[None]]()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(cast("asyncio.Task[None]", asyncio.current_task()))
        # One of the two ends closes its connection, or the server stops.
        with suppress(OSError, asyncio.CancelledError):
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", next(ports))
            await asyncio.gather(_copy(reader, back_writer), _copy(back_reader, writer))

    stop = asyncio.Event()
    server = await asyncio.start_server(forward, "127.0.0.1", 0, backlog=1024)
    async with server:
        started.set_result((asyncio.get_running_loop(), stop, server.sockets[0].getsockname()[1]))
        await stop.wait()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
