"""Makes the commands and environments of the local services. Pure."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from console.stack.addresses import (
    CONSOLE_PORT,
    DISPATCHER_PORT,
    PUBSUB_HTTP_PORT,
    PUBSUB_PORT,
    RELAY_PORT,
    SHARDS_RELAY_PORT,
    WORKER_PORT,
    Addresses,
    port_of,
)
from console.stack.ports import LOOPBACK
from console.stack.process import Launch
from contract import topology

PROJECT = "scrapeq-local"
PUSH_SERVICE_ACCOUNT = "push@scrapeq-local.iam.gserviceaccount.com"
PUSH_AUDIENCE = "scrapeq-worker"
PUBSUB, DISPATCHER, WORKER, CONSOLE = "pubsub", "dispatcher", "worker", "console"
LOOPBACK_NETWORKS = "127.0.0.0/8,::1/128"
PUBLISH_SECONDS = 5  #: seconds that the worker needs to publish (worker/settings.py)
MAX_DELIVERY_ATTEMPTS = 100  #: Pub/Sub's maximum: https://cloud.google.com/pubsub/docs/dead-letter-topics
#: Settings of the worker that limit which addresses it requests; `scrapeq try` uses them, too.
FETCH_SETTINGS = ("FETCH_ALLOW_NETWORKS", "FETCH_REFUSE_PORTS")
TITLES = {PUBSUB: "local Pub/Sub", DISPATCHER: "dispatcher", WORKER: "worker", CONSOLE: "operator's page"}


class AckPolicy(StrEnum):
    """Selects the outcomes after which the worker acknowledges a job (ACK_POLICY).

    SUCCESS: only after a success. SETTLED: in addition, after a failure, when the worker itself has
    dead-lettered the job, or has deferred it by publishing it again.
    """

    SUCCESS = "success"
    SETTLED = "settled"


@dataclass(frozen=True)
class DeliveryPolicy:
    """How jobs are delivered and retried.

    Attributes:
        ack_deadline_seconds: ack deadline, 10 to 600 seconds; also the timeout of one push request.
        max_delivery_attempts: attempts, 5 to 100, after which a job becomes a dead letter. With
            ACK_POLICY=success Pub/Sub counts deliveries; with `settled` the worker counts failed requests.
        minimum_backoff_seconds: delay before the second attempt, 0 to 600 seconds.
        maximum_backoff_seconds: maximum delay before an attempt, 0 to 600 seconds.
    """

    ack_deadline_seconds: int = 600
    max_delivery_attempts: int = 10
    minimum_backoff_seconds: int = 10
    maximum_backoff_seconds: int = 600


@dataclass(frozen=True)
class StackOptions:
    """Options of a local stack. A port of 0 means any free port.

    Attributes:
        data: directory of the queue, the ledger and the logs; created if missing.
        pubsub_port: gRPC port of localpubsub, the one in PUBSUB_EMULATOR_HOST.
        pubsub_http_port: HTTP port of localpubsub: REST API, certificates and health.
        dispatcher_port: port of the dispatcher.
        worker_port: port of the worker.
        console_port: port of the operator's page; None if it is not served.
        delivery: how jobs are delivered and retried.
        worker_processes: number of gunicorn worker processes; `ack_policy`: acknowledgement policy of them.
        concurrency: maximum number of pushes that all worker processes together take, and that localpubsub
            sends, at the same time. PAGE_CONCURRENCY of the worker limits the pages that are processed.
        environment: additional environment variables of the services; `service_environments`: of single ones.
        pubsub_arguments: additional command-line arguments of localpubsub.
        broker: the broker that carries the messages instead of localpubsub: its name, if its server is
            started on this machine, or the URL of one that runs.
    """

    data: Path
    pubsub_port: int = 0
    pubsub_http_port: int = 0
    dispatcher_port: int = 0
    worker_port: int = 0
    console_port: int | None = None
    delivery: DeliveryPolicy = field(default_factory=DeliveryPolicy)
    worker_processes: int = 2
    ack_policy: AckPolicy = AckPolicy.SUCCESS
    concurrency: int = 400
    environment: Mapping[str, str] = field(default_factory=dict)
    service_environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    pubsub_arguments: tuple[str, ...] = ()
    broker: str = ""

    @property
    def subscription_policy(self) -> DeliveryPolicy:
        """The delivery policy of the jobs subscription.

        With `settled` the worker counts the attempts, so Pub/Sub's own limit is as high as possible.
        """
        if self.ack_policy is AckPolicy.SETTLED:
            return replace(self.delivery, max_delivery_attempts=MAX_DELIVERY_ATTEMPTS)
        return self.delivery

    def wanted_ports(self) -> dict[str, tuple[int, str]]:
        """Return for each purpose the port and the command-line option, as `allocate_ports` requires."""
        page = {} if self.console_port is None else {CONSOLE_PORT: (self.console_port, "--console-port")}
        if self.broker:
            queue = {RELAY_PORT: (0, ""), SHARDS_RELAY_PORT: (0, "")}
        else:
            queue = {
                PUBSUB_PORT: (self.pubsub_port, "--pubsub-port"),
                PUBSUB_HTTP_PORT: (self.pubsub_http_port, "--pubsub-http-port"),
            }
        return {
            **queue,
            DISPATCHER_PORT: (self.dispatcher_port, "--dispatcher-port"),
            WORKER_PORT: (self.worker_port, "--worker-port"),
            **page,
        }


def environment_of(
    options: StackOptions,
    addresses: Addresses,
    inherited: Mapping[str, str],
    broker_ports: Sequence[int] = (),
) -> dict[str, str]:
    """Return the environment variables of the services. A client of the local Pub/Sub can use them, too.

    Args:
        options: the options of the stack.
        addresses: the addresses of its services.
        inherited: the environment variables of the operator.
        broker_ports: the ports of the broker's server, if the stack starts it.
    """
    return {
        **_time_limits(options.delivery.ack_deadline_seconds, {**inherited, **options.environment}),
        **without_loopback_proxies(inherited),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "PUBSUB_EMULATOR_HOST": addresses.pubsub_host,
        "BROKER_URL": addresses.broker_url,
        "JOBS_TOPIC": topology.JOBS_TOPIC,
        "OUTCOMES_TOPIC": topology.OUTCOMES_TOPIC,
        "DEAD_LETTER_TOPIC": topology.DEAD_LETTER_TOPIC,
        "DISPATCH_TOPIC": topology.DISPATCH_TOPIC,
        # `scrapeq dispatch --wait` waits for the jobs of the first request, so it takes as much as possible.
        "SHARD_URLS": "1000000",
        "SHARD_SECONDS": "400",
        "PUBLISH_TIMEOUT_SECONDS": "500",
        "ACK_POLICY": options.ack_policy,
        "MAX_ATTEMPTS": str(options.delivery.max_delivery_attempts),
        "RETRY_MINIMUM_BACKOFF_SECONDS": str(options.delivery.minimum_backoff_seconds),
        "RETRY_MAXIMUM_BACKOFF_SECONDS": str(options.delivery.maximum_backoff_seconds),
        "PUSH_AUTH": "oidc",
        "PUSH_AUDIENCE": PUSH_AUDIENCE,
        "PUSH_SERVICE_ACCOUNT": PUSH_SERVICE_ACCOUNT,
        "PUSH_CERTS_URL": addresses.certs_url,
        "FETCH_ALLOW_NETWORKS": _allowed_networks(inherited),
        "FETCH_REFUSE_PORTS": _refused_ports(inherited, addresses, broker_ports),
        "ACK_DEADLINE_SECONDS": str(options.delivery.ack_deadline_seconds),
        "HOST": LOOPBACK,
        "WEB_CONCURRENCY": str(options.worker_processes),
        "CONCURRENCY": str(options.concurrency),
        **options.environment,
    }


def _allowed_networks(inherited: Mapping[str, str]) -> str:
    """Return the private networks that may be fetched from: the user's setting and the loopback interface.

    The loopback interface is allowed for own sites; no public site leads to it (guarded_http/scope.py).
    """
    return ",".join(filter(None, [inherited.get("FETCH_ALLOW_NETWORKS"), LOOPBACK_NETWORKS]))


def _refused_ports(inherited: Mapping[str, str], addresses: Addresses, broker_ports: Sequence[int]) -> str:
    """Return the ports that are never fetched from: the user's setting and those of the stack itself."""
    own = (*addresses.ports, *map(str, broker_ports))
    return ",".join(filter(None, [inherited.get("FETCH_REFUSE_PORTS"), *own]))


def without_loopback_proxies(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the loopback interface added to `no_proxy`."""
    exceptions = inherited.get("no_proxy") or inherited.get("NO_PROXY") or ""
    names = ",".join(filter(None, [exceptions, LOOPBACK, "localhost"]))
    return {**inherited, "no_proxy": names, "NO_PROXY": names}


def _time_limits(ack_deadline_seconds: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the worker's time limits, which must fit into the ack deadline (worker/settings.py).

    A twelfth of the deadline, at most 30 s, remains for a response that arrives late on a busy machine. The
    page budget is PAGE_BUDGET_SECONDS of `environment`, or 40 s, or three quarters of the time if the
    deadline is short. A job may wait for the rest of the time.
    """
    request_timeout = ack_deadline_seconds - max(1, min(30, ack_deadline_seconds // 12))
    available = request_timeout - PUBLISH_SECONDS
    page_budget: float = min(40, available * 3 // 4)
    with suppress(ValueError):  # the worker reports an invalid number
        page_budget = float(environment.get("PAGE_BUDGET_SECONDS", page_budget))
    return {
        "REQUEST_TIMEOUT_SECONDS": str(request_timeout),
        "PAGE_BUDGET_SECONDS": f"{page_budget:g}",
        "WAIT_BUDGET_SECONDS": f"{max(0, available - page_budget):g}",
        "QUEUE_SECONDS": "0",  # nothing queues between localpubsub and the worker
    }


def wait_budget(ack_deadline_seconds: int) -> float:
    """Return the seconds for which a job may wait in the worker during one delivery."""
    return float(_time_limits(ack_deadline_seconds, {})["WAIT_BUDGET_SECONDS"])


def launches(
    options: StackOptions, addresses: Addresses, environment: Mapping[str, str]
) -> dict[str, Launch]:
    """Return the command, environment, log and health check of each service, by the service's name."""
    commands = {
        DISPATCHER: (_dispatcher(addresses), f"{addresses.dispatcher_url}/healthz"),
        WORKER: (_worker(), f"{addresses.worker_url}/healthz"),
    }
    if addresses.pubsub_host:
        commands[PUBSUB] = (_pubsub(options, addresses), f"{addresses.pubsub_http_url}/healthz")
    if addresses.console_url:
        commands[CONSOLE] = (_console(options, addresses), f"{addresses.console_url}/healthz")
    urls = {DISPATCHER: addresses.dispatcher_url, WORKER: addresses.worker_url}
    ports = {name: {"PORT": port_of(url)} for name, url in urls.items()}
    return {
        name: Launch(
            TITLES[name],
            (sys.executable, "-m", *arguments),
            {**environment, **ports.get(name, {}), **options.service_environments.get(name, {})},
            options.data.absolute() / "logs" / f"{name}.log",
            health_url,
        )
        for name, (arguments, health_url) in commands.items()
    }


def _pubsub(options: StackOptions, addresses: Addresses) -> tuple[str, ...]:
    return (
        "localpubsub",
        *("--data", str(options.data.absolute() / "pubsub")),
        *("--port", port_of(addresses.pubsub_host)),
        *("--http-port", port_of(addresses.pubsub_http_url)),
        *("--max-outstanding", str(options.concurrency)),
        *options.pubsub_arguments,
    )


def _dispatcher(addresses: Addresses) -> tuple[str, ...]:
    return (
        "functions_framework",
        *("--source", str(_source_of("dispatcher") / "main.py"), "--target", "dispatch"),
        *("--host", LOOPBACK, "--port", port_of(addresses.dispatcher_url)),
    )


def _worker() -> tuple[str, ...]:
    return ("gunicorn", "-c", "python:worker.gunicorn_conf")


def _console(options: StackOptions, addresses: Addresses) -> tuple[str, ...]:
    data = options.data.absolute()
    return ("console", "console", "--port", port_of(addresses.console_url), "--data", str(data))


def _source_of(package: str) -> Path:
    """Return the directory of a package without importing the package."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"the package {package} is not installed: pip install 'scrapeq[{package}]'")
    return Path(spec.submodule_search_locations[0])
