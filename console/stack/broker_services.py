"""Makes the processes of a stack on another broker than Pub/Sub: server, relays and ledger writer.

docs/brokers.md describes how they work together.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from console.errors import StackError
from console.stack.addresses import Addresses, port_of
from console.stack.brokers.server import BrokerServer
from console.stack.ports import LOOPBACK
from console.stack.process import Launch
from console.stack.services import PUBSUB, PUSH_AUDIENCE, PUSH_SERVICE_ACCOUNT, DeliveryPolicy, StackOptions
from contract.topology import DISPATCH_SUBSCRIPTION, PUSH_SUBSCRIPTION

RELAY, SHARDS_RELAY, LEDGER_WRITER = "relay", "relay-shards", "ledger"
BROKER, EPMD = "broker", "epmd"
#: The processes that push messages, and those of a broker's server, in the order in which they stop.
PUSHING, SERVERS = (PUBSUB, RELAY, SHARDS_RELAY), (BROKER, EPMD)
RELAY_GRACE_SECONDS = 2  #: how long a relay that stops waits for responses to open pushes
CREATE_TIMEOUT_SECONDS = 120.0
LEDGER_READY = " ledger_ready "  #: is in the line that the ledger writer logs when it receives messages


def server_launches(
    server: BrokerServer | None, options: StackOptions, environment: Mapping[str, str]
) -> dict[str, Launch]:
    """Return the processes of a broker's server in the order of their start; none without a server."""
    processes = server.processes if server else ()
    return {
        process.name: Launch(
            process.title,
            process.command,
            {**environment, **process.environment},
            log_path(options, process.name),
            probe=process.probe,
        )
        for process in processes
    }


def broker_launches(
    options: StackOptions, addresses: Addresses, environment: Mapping[str, str]
) -> dict[str, Launch]:
    """Return both relays and the ledger writer in the order of their start; none for localpubsub."""
    if not addresses.broker_url:
        return {}
    # The first relay creates the signing key, which the second one reads.
    relays = (
        (RELAY, "relay of jobs", PUSH_SUBSCRIPTION, addresses.relay_url, f"{addresses.worker_url}/"),
        (
            *(SHARDS_RELAY, "relay of shards", DISPATCH_SUBSCRIPTION),
            *(addresses.shards_relay_url, f"{addresses.dispatcher_url}/shards"),
        ),
    )
    found = {
        name: Launch(
            title,
            (sys.executable, "-m", *_relay(options, subscription, url, endpoint)),
            environment,
            log_path(options, name),
            f"{url}/oauth2/v1/certs",
        )
        for name, title, subscription, url, endpoint in relays
    }
    data = options.data.absolute()
    found[LEDGER_WRITER] = Launch(
        "ledger writer",
        (sys.executable, "-m", "console", "ledger", "--data", str(data)),
        {**environment, "LEDGER": ""},  # that of the data directory
        log_path(options, LEDGER_WRITER),
        ready_text=LEDGER_READY,
    )
    return found


def create_queues(options: StackOptions, environment: Mapping[str, str]) -> None:
    """Create topics and queues; those that exist are kept.

    Raises:
        StackError: the broker refuses, for example because a queue exists with other settings.
    """
    command = [sys.executable, "-m", "relay", "--create", *redelivery_arguments(options.subscription_policy)]
    try:
        done = subprocess.run(  # noqa: S603 - runs a program of this project
            command,
            env=dict(environment),
            cwd=options.data,  # so that files in the operator's directory cannot shadow our modules
            capture_output=True,
            text=True,
            timeout=CREATE_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StackError(
            f"The queues were not created within {CREATE_TIMEOUT_SECONDS:g} s, because the broker does not "
            "answer."
        ) from None
    if done.returncode:
        why = done.stderr.strip().removeprefix("relay: ")
        raise StackError(
            f"The queues could not be created: {why}\nQueues keep the settings with which they were created: "
            "use the same --max-delivery-attempts, --minimum-backoff, --maximum-backoff and --ack-policy as "
            "before, or delete the queues."
        )


def log_path(options: StackOptions, name: str) -> Path:
    """Return the path of a service's log."""
    return options.data.absolute() / "logs" / f"{name}.log"


def redelivery_arguments(policy: DeliveryPolicy) -> tuple[str, ...]:
    """Return the arguments of a relay for the attempts, and for the delays between them."""
    return (
        *("--max-attempts", str(policy.max_delivery_attempts)),
        *("--min-backoff", str(policy.minimum_backoff_seconds)),
        *("--max-backoff", str(policy.maximum_backoff_seconds)),
    )


def _relay(options: StackOptions, subscription: str, url: str, endpoint: str) -> tuple[str, ...]:
    return (
        "relay",
        *("--endpoint", endpoint, "--subscription", subscription),
        *("--window", str(options.concurrency)),
        *redelivery_arguments(options.subscription_policy),
        *("--ack-deadline", str(options.delivery.ack_deadline_seconds)),
        *("--grace", str(RELAY_GRACE_SECONDS)),
        *("--service-account", PUSH_SERVICE_ACCOUNT, "--audience", PUSH_AUDIENCE),
        *("--key-directory", str(options.data.absolute() / "relay-keys")),
        *("--host", LOOPBACK, "--port", port_of(url)),
    )
