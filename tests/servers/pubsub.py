"""Starts a Pub/Sub server: localpubsub in this process, or Google's official emulator."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

import localpubsub
from console.stack.ports import free_port
from tests.servers.requirements import skip_or_fail
from tests.servers.waiting import wait_until

#: Maximum number of seconds until the emulator listens.
START_SECONDS: Final = 120.0
#: Beginning of the line that the emulator logs when it listens.
STARTED_LINE: Final = "Server started, listening on"


@dataclass(frozen=True)
class PubsubServer:
    """A running Pub/Sub server.

    Attributes:
        name: "localpubsub" or "emulator".
        host: the gRPC address ``host:port``, for PUBSUB_EMULATOR_HOST.
        certs_url: URL of the certificates that verify push tokens; None if the server signs no tokens.
        http_url: URL of the REST API, before ``/v1/projects``, without a slash at its end.
        warehouse: the SQLite file that replaces BigQuery; None if the server does not write to tables.
        buckets: the directory that replaces Cloud Storage; None if the server does not write to buckets.
    """

    name: str
    host: str
    certs_url: str | None
    http_url: str = ""
    warehouse: Path | None = None
    buckets: Path | None = None


@contextmanager
def localpubsub_server(**options: Any) -> Iterator[PubsubServer]:  # noqa: ANN401 - each option has its type
    """Run localpubsub in this process with these options until the block ends."""
    with localpubsub.running(**options) as server:
        yield PubsubServer(
            "localpubsub", server.host, server.certs_url, server.http_url, server.warehouse, server.buckets
        )


@contextmanager
def emulator_server(data: Path) -> Iterator[PubsubServer]:
    """Run the official emulator, as ``gcloud beta emulators pubsub start`` does, until the block ends."""
    for tool in ("gcloud", "java"):
        if shutil.which(tool) is None:
            skip_or_fail(f"the official Pub/Sub emulator needs {tool}, which is not installed")
    host = f"127.0.0.1:{free_port()}"
    command = ["gcloud", "beta", "emulators", "pubsub", "start", f"--host-port={host}", f"--data-dir={data}"]
    log = data / "emulator.log"
    # Disable the JVM's optimizing compiler: it used half of the processor time, and a server that runs for
    # a minute does not benefit from it.
    environment = {**os.environ, "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, env=environment
        )
    try:
        _wait_until_started(process, log)
        yield PubsubServer("emulator", host, None, f"http://{host}")
    finally:
        # gcloud starts java as a child process, which keeps running if only gcloud is terminated.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)


def _wait_until_started(process: subprocess.Popen[bytes], log: Path) -> None:
    wait_until(
        lambda: STARTED_LINE in log.read_text() or process.poll() is not None,
        "the emulator listens",
        START_SECONDS,
    )
    if process.poll() is not None:
        skip_or_fail(f"the official Pub/Sub emulator did not start: {log.read_text()[-500:]}")


@contextmanager
def gapic_clients(host: str) -> Iterator[tuple[PublisherClient, SubscriberClient]]:
    """Yield the generated gRPC clients, which send each request unchanged and without batching."""
    with grpc.insecure_channel(host, options=[("grpc.max_send_message_length", -1)]) as channel:
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        yield publisher, subscriber
