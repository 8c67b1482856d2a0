"""How the three local services are started: commands and environments. Pure."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from console.stack.ports import LOOPBACK
from console.stack.process import Launch
from contract import topology

PROJECT = "scrapeq-local"
PUSH_SERVICE_ACCOUNT = "push@scrapeq-local.iam.gserviceaccount.com"
PUSH_AUDIENCE = "scrapeq-worker"
PUBSUB, DISPATCHER, WORKER = "pubsub", "dispatcher", "worker"
PUBSUB_PORT, PUBSUB_HTTP_PORT = "Pub/Sub", "Pub/Sub's HTTP side"
DISPATCHER_PORT, WORKER_PORT = "the dispatcher", "the worker"
LOOPBACK_NETWORKS = "127.0.0.0/8,::1/128"
TITLES = {PUBSUB: "local Pub/Sub", DISPATCHER: "dispatcher", WORKER: "worker"}


class AckPolicy(StrEnum):
    """What the worker acknowledges."""

    SUCCESS = "success"
    SETTLED = "settled"


class Politeness(StrEnum):
    """Who keeps to a host's `per_host`."""

    INSTANCE = "instance"
    ORDERED = "ordered"


@dataclass(frozen=True)
class DeliveryPolicy:
    """How the jobs subscription delivers, with Pub/Sub's own bounds.

    Attributes:
        ack_deadline_seconds: 10 to 600; also how long one push may take.
        max_delivery_attempts: 5 to 100; then the job is a dead letter.
        minimum_backoff_seconds: 0 to 600, before the second attempt.
        maximum_backoff_seconds: 0 to 600, before any attempt.
        politeness: `ordered`, where jobs carry ordering keys, and one of each key is out at a time.
    """

    ack_deadline_seconds: int = 60
    max_delivery_attempts: int = 5
    minimum_backoff_seconds: int = 10
    maximum_backoff_seconds: int = 600
    politeness: Politeness = Politeness.INSTANCE


@dataclass(frozen=True)
class StackOptions:
    """What a local stack is started with. A port of 0 means: any free one.

    Attributes:
        data: directory of the queue, the ledger and the logs; made where it is missing.
        pubsub_port: of localpubsub's gRPC, what PUBSUB_EMULATOR_HOST names.
        pubsub_http_port: of localpubsub's certificates and health.
        worker_processes: gunicorn processes of the worker.
        ack_policy: of the worker.
        concurrency: jobs that the worker takes at once, in all its processes; no more are pushed.
        emulator_host: host:port of a Pub/Sub that runs already, such as the official emulator, to use instead
            of localpubsub. It signs no pushes, so the worker takes them from anyone.
        environment: more variables for the dispatcher and the worker.
        pubsub_arguments: more arguments for localpubsub.
    """

    data: Path
    pubsub_port: int = 0
    pubsub_http_port: int = 0
    dispatcher_port: int = 0
    worker_port: int = 0
    delivery: DeliveryPolicy = field(default_factory=DeliveryPolicy)
    worker_processes: int = 2
    ack_policy: AckPolicy = AckPolicy.SUCCESS
    concurrency: int = 80  #: Cloud Run's default for one instance
    emulator_host: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    pubsub_arguments: tuple[str, ...] = ()

    def wanted_ports(self) -> dict[str, tuple[int, str]]:
        """Return purpose → port and option, as `settle_ports` takes them."""
        pubsub = {
            PUBSUB_PORT: (self.pubsub_port, "--pubsub-port"),
            PUBSUB_HTTP_PORT: (self.pubsub_http_port, "--pubsub-http-port"),
        }
        services = {
            DISPATCHER_PORT: (self.dispatcher_port, "--dispatcher-port"),
            WORKER_PORT: (self.worker_port, "--worker-port"),
        }
        return services if self.emulator_host else pubsub | services


@dataclass(frozen=True)
class Addresses:
    """Where the services listen, once the ports are known."""

    pubsub_host: str
    pubsub_http_url: str
    dispatcher_url: str
    worker_url: str

    @classmethod
    def at(cls, ports: Mapping[str, int], emulator_host: str = "") -> "Addresses":
        """Make the addresses from what `settle_ports` returned for `StackOptions.wanted_ports`."""
        urls = {purpose: f"http://{LOOPBACK}:{port}" for purpose, port in ports.items()}
        pubsub_host = emulator_host or f"{LOOPBACK}:{ports[PUBSUB_PORT]}"
        return cls(pubsub_host, urls.get(PUBSUB_HTTP_PORT, ""), urls[DISPATCHER_PORT], urls[WORKER_PORT])

    @property
    def certs_url(self) -> str:
        """Where localpubsub has the certificates that verify its pushes, on the same path as Google."""
        return f"{self.pubsub_http_url}/oauth2/v1/certs"


def environment_of(
    options: StackOptions, addresses: Addresses, inherited: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment that both services, and any client of the local Pub/Sub, need."""
    return {
        **_deadline_chain(options.delivery.ack_deadline_seconds),
        **without_loopback_proxies(inherited),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "PUBSUB_EMULATOR_HOST": addresses.pubsub_host,
        "JOBS_TOPIC": topology.JOBS_TOPIC,
        "OUTCOMES_TOPIC": topology.OUTCOMES_TOPIC,
        "DEAD_LETTER_TOPIC": topology.DEAD_LETTER_TOPIC,
        "ACK_POLICY": options.ack_policy,
        "POLITENESS": options.delivery.politeness,
        **_push_authentication(options, addresses),
        "FETCH_ALLOW_NETWORKS": _opened(inherited),
        "ACK_DEADLINE_SECONDS": str(options.delivery.ack_deadline_seconds),
        "HOST": LOOPBACK,
        "WEB_CONCURRENCY": str(options.worker_processes),
        "CONCURRENCY": str(options.concurrency),
        **options.environment,
    }


def _push_authentication(options: StackOptions, addresses: Addresses) -> dict[str, str]:
    if options.emulator_host:
        return {"PUSH_AUTH": "none"}
    return {
        "PUSH_AUTH": "oidc",
        "PUSH_AUDIENCE": PUSH_AUDIENCE,
        "PUSH_SERVICE_ACCOUNT": PUSH_SERVICE_ACCOUNT,
        "PUSH_CERTS_URL": addresses.certs_url,
    }


def _opened(inherited: Mapping[str, str]) -> str:
    """Return the networks that may be fetched from: this machine's own, and what its user opens."""
    return ",".join(filter(None, [inherited.get("FETCH_ALLOW_NETWORKS"), LOOPBACK_NETWORKS]))


def without_loopback_proxies(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the loopback interface excepted from any proxy."""
    excepted = inherited.get("no_proxy") or inherited.get("NO_PROXY") or ""
    names = ",".join(filter(None, [excepted, LOOPBACK, "localhost"]))
    return {**inherited, "no_proxy": names, "NO_PROXY": names}


def _deadline_chain(ack_deadline_seconds: int) -> dict[str, str]:
    """Return what is below the ack deadline, in the order that the worker insists on (worker/settings.py)."""
    request_timeout = ack_deadline_seconds - max(1, ack_deadline_seconds // 12)
    page_budget = request_timeout - max(5, request_timeout // 4)
    return {"REQUEST_TIMEOUT_SECONDS": str(request_timeout), "PAGE_BUDGET_SECONDS": str(page_budget)}


def launches(
    options: StackOptions, addresses: Addresses, environment: Mapping[str, str]
) -> dict[str, Launch]:
    """Return how each service is started, by name."""
    pubsub = {PUBSUB: (_pubsub(options, addresses), f"{addresses.pubsub_http_url}/healthz")}
    commands = {
        **({} if options.emulator_host else pubsub),
        DISPATCHER: (_dispatcher(addresses), f"{addresses.dispatcher_url}/healthz"),
        WORKER: (_worker(), f"{addresses.worker_url}/healthz"),
    }
    ports = {DISPATCHER: _port(addresses.dispatcher_url), WORKER: _port(addresses.worker_url)}
    return {
        name: Launch(
            TITLES[name],
            (sys.executable, "-m", *arguments),
            {**environment, **({"PORT": ports[name]} if name in ports else {})},
            options.data.absolute() / "logs" / f"{name}.log",
            health_url,
        )
        for name, (arguments, health_url) in commands.items()
    }


def _pubsub(options: StackOptions, addresses: Addresses) -> tuple[str, ...]:
    return (
        "localpubsub",
        *("--data", str(options.data.absolute() / "pubsub")),
        *("--port", _port(addresses.pubsub_host)),
        *("--http-port", _port(addresses.pubsub_http_url)),
        *("--max-outstanding", str(options.concurrency)),
        *options.pubsub_arguments,
    )


def _dispatcher(addresses: Addresses) -> tuple[str, ...]:
    return (
        "functions_framework",
        *("--source", str(_source_of("dispatcher") / "main.py"), "--target", "dispatch"),
        *("--host", LOOPBACK, "--port", _port(addresses.dispatcher_url)),
    )


def _worker() -> tuple[str, ...]:
    return ("gunicorn", "-c", "python:worker.gunicorn_conf")


def _port(address: str) -> str:
    return address.rpartition(":")[2]


def _source_of(package: str) -> Path:
    """Return a package's directory without importing it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"there is no package {package}; install scrapeq[{package}]")
    return Path(spec.submodule_search_locations[0])
