"""Runs several instances of the worker, each a process with its own memory, behind one address.

The instances of a Cloud Run service share nothing but the queue. `Stack` runs one instance; these are more of
them. A TCP proxy gives each connection to the next instance, as a load balancer does.
"""

import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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
    with _Proxy(cycle(ports)) as proxy:
        serving = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield proxy.server_address[1]
        finally:
            proxy.shutdown()
            serving.join()
            for connection in proxy.accepted:
                _shut(connection)


class _Proxy(socketserver.ThreadingTCPServer):
    """Copies what it receives to a connection with the next port, and back; closing it joins its threads."""

    request_queue_size = 1024

    def __init__(self, ports: Iterator[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarding)
        self.ports = ports
        self.accepted: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self.accepted.append(connection)
        return connection, address


class _Forwarding(socketserver.BaseRequestHandler):
    """One connection: the end of either side ends the other one."""

    server: _Proxy

    def handle(self) -> None:
        # An instance that has just ended refuses the connection.
        with suppress(OSError), socket.create_connection(("127.0.0.1", next(self.server.ports))) as back:
            responding = threading.Thread(target=_copy, args=(back, self.request))
            responding.start()
            _copy(self.request, back)
            responding.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    _shut(target)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # it is closed already
        connection.shutdown(socket.SHUT_RDWR)
