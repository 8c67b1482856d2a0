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
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import cycle

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
    loop, following = asyncio.new_event_loop(), cycle(ports)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # one of the two ends has closed its connection; so is the other one
        finally:
            writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", next(following))
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, back_writer), copy(back_reader, writer))

    server = loop.run_until_complete(asyncio.start_server(forward, "127.0.0.1", 0, backlog=1024))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
