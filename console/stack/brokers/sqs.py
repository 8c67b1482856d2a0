"""Runs moto's server in the place of AWS SQS, on a chosen port of 127.0.0.1; its queues are in memory."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from console.stack.brokers.server import BrokerServer, LocalBroker, ServerProcess
from console.stack.ports import LOOPBACK
from console.stack.tcp_probe import TcpProbe

#: moto accepts any credentials, and boto3 needs some. With these it asks no server for others.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_EC2_METADATA_DISABLED": "true",
}
NOTE = (
    "moto's server keeps the queues in memory: `scrapeq down` loses the jobs in flight and the dead letters."
)


def missing() -> str:
    """Return what must be installed; `""` if nothing is missing."""
    if all(importlib.util.find_spec(name) for name in ("moto", "flask_cors")):
        return ""
    return (
        "moto, a development package whose server stands in for SQS, is not installed: "
        "`pip install 'moto[server,sqs]'` installs it"
    )


def server(data: Path, ports: Sequence[int]) -> BrokerServer:
    """See `LocalBroker.server`."""
    [port] = ports
    request = f"GET /moto-api/data.json HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n"
    process = ServerProcess(
        "broker",
        "SQS server of moto",
        (sys.executable, "-m", "console.stack.brokers.moto_server", str(port)),
        TcpProbe(port, request.encode(), b"HTTP/1.1 200"),
    )
    return BrokerServer(f"sqs+http://{LOOPBACK}:{port}/", data, (process,))


SQS = LocalBroker("SQS (moto)", ("SQS",), missing, server, "sqs://eu-central-1/", NOTE, CREDENTIALS)
