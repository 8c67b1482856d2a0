"""The servers which the suite runs against."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import grpc
import pytest
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

import localpubsub
from console.stack.ports import free_port

START: Final = 30.0  #: seconds the emulator has to start
STARTED: Final = "Server started, listening on"


@dataclass(frozen=True)
class PubsubServer:
    """One server under test."""

    name: str
    host: str  #: for PUBSUB_EMULATOR_HOST
    certs_url: str | None  #: certificates of push tokens, where the server signs any
    http_url: str = ""  #: where /v1/projects/... is, without a slash at its end
    warehouse: Path | None = None  #: what stands for BigQuery, where anything does
    buckets: Path | None = None  #: what stands for Cloud Storage, where anything does


@contextmanager
def local() -> Iterator[PubsubServer]:
    """Our own, in this process."""
    with localpubsub.running() as server:
        yield PubsubServer(
            "localpubsub", server.host, server.certs_url, server.http_url, server.warehouse, server.buckets
        )


@contextmanager
def emulator(data: Path) -> Iterator[PubsubServer]:
    """Google's, as ``gcloud beta emulators pubsub start`` runs it."""
    for tool in ("gcloud", "java"):
        if shutil.which(tool) is None:
            missing(f"the official Pub/Sub emulator needs {tool}, which is not installed")
    host = f"127.0.0.1:{free_port()}"
    command = ["gcloud", "beta", "emulators", "pubsub", "start", f"--host-port={host}", f"--data-dir={data}"]
    log = data / "emulator.log"
    # A server of a minute is not worth a second compiler: half of the processor's time was that.
    environment = {**os.environ, "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, env=environment
        )
    try:
        _wait_until_started(process, log)
        yield PubsubServer("emulator", host, None, f"http://{host}")
    finally:
        # gcloud starts java, and does not take it along when it is terminated itself.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def missing(reason: str) -> NoReturn:
    """Skip on a laptop; fail where CI promised the emulator."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _wait_until_started(process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until and process.poll() is None:
        if STARTED in log.read_text():
            return
        time.sleep(0.05)  # the log of another process tells nobody when it grows
    missing(f"the official Pub/Sub emulator did not start: {log.read_text()[-500:]}")


@contextmanager
def gapic_clients(host: str) -> Iterator[tuple[PublisherClient, SubscriberClient]]:
    """The clients beneath google-cloud-pubsub's batching, which send requests as they are given."""
    with grpc.insecure_channel(host, options=[("grpc.max_send_message_length", -1)]) as channel:
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        yield publisher, subscriber
