"""Runs locally what Terraform applied: Pub/Sub, the dispatcher and the worker.

In front of each service is a gate: a proxy that checks requests as Cloud Run does
(localpubsub.cloud_run_gate).
"""

import base64
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

import localpubsub
from console.ledger.ledger import Ledger
from console.stack.ports import free_port
from console.stack.process import Launch, Process, ProcessWatcher, wait_until_healthy
from dispatcher.schedule import SCHEDULE_TIME
from localpubsub.push.signing import SigningKey
from tests.repository.tree import ROOT
from tests.servers.waiting import wait_until

#: Speed of localpubsub's clock: a backoff or an ack deadline of a minute takes two seconds.
TIME_SCALE = 30
TOKEN_LIFETIME = 3600  #: seconds
#: The commands with which the images start the services (dispatcher/Dockerfile, worker/Dockerfile).
COMMANDS = {
    "worker": ("gunicorn", "-c", "python:worker.gunicorn_conf"),
    "dispatcher": ("functions_framework", "--source", f"{ROOT}/dispatcher/main.py", "--target", "dispatch"),
}
#: Fields of a subscription that have the same name in Pub/Sub and in Terraform.
_FIELDS = (
    "ack_deadline_seconds",
    "bigquery_config",
    "dead_letter_policy",
    "enable_message_ordering",
    "expiration_policy",
    "filter",
    "message_retention_duration",
    "push_config",
    "retry_policy",
    "topic",
)


class Applied:
    """The resources in Terraform's state, each as `{type, name, values}`."""

    def __init__(self, resources: list[dict[str, Any]]) -> None:
        self._resources = resources

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the values of all resources of a type, by their name in the cloud."""
        found = [resource["values"] for resource in self._resources if resource["type"] == kind]
        return {values["name"]: values for values in found}

    def template(self, service: str) -> dict[str, Any]:
        """Return the template of a Cloud Run service; `service` is `worker` or `dispatcher`."""
        services = self.of("google_cloud_run_v2_service")
        (template,) = next(values for name, values in services.items() if name.endswith(service))["template"]
        return dict(template)

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment variables of a service's container."""
        return {env["name"]: env["value"] for env in self.template(service)["containers"][0]["env"]}

    def invokers(self, service: str) -> set[str]:
        """Return the accounts that may call a service."""
        return {
            resource["values"]["member"].removeprefix("serviceAccount:")
            for resource in self._resources
            if resource["type"] == "google_cloud_run_v2_service_iam_member"
            and resource["values"]["name"].endswith(service)
        }

    def pubsub(self, origins: Mapping[str, str]) -> dict[str, Any]:
        """Return topics and subscriptions as a setup document of localpubsub.

        Args:
            origins: maps the origin of each service's URL in the cloud to its origin on this machine.
                All other values are as Terraform applied them.
        """
        project = self.environment("worker")["GOOGLE_CLOUD_PROJECT"]
        subscriptions = []
        for name, values in self.of("google_pubsub_subscription").items():
            fields = {field: _block(values[field]) for field in _FIELDS if values.get(field)}
            if push := fields.get("push_config"):
                parts = urlsplit(push["push_endpoint"])
                fields["push_config"] = push | {
                    "push_endpoint": origins[f"{parts.scheme}://{parts.netloc}"] + (parts.path or "/")
                }
            subscriptions.append({"name": name, **fields})
        topics = [{"name": name} for name in self.of("google_pubsub_topic")]
        return {"project": project, "topics": topics, "subscriptions": subscriptions}


def _block(value: Any) -> Any:  # noqa: ANN401 - a JSON value has no narrower type
    """Convert a block of Terraform's state, a list with one object, to that object without unset fields."""
    if not isinstance(value, list):
        return value
    return {
        name: _block(inner)
        for name, inner in value[0].items()
        if inner not in (None, "", []) or inner is False
    }


@dataclass(frozen=True)
class Rehearsal:
    """A local run of the stack that Terraform applied.

    Attributes:
        applied: the values that Terraform applied.
        pubsub: localpubsub, which replaces the stack's Pub/Sub.
        ledger: the ledger that localpubsub's BigQuery subscriptions fill.
    """

    applied: Applied
    pubsub: localpubsub.RunningServer
    ledger: Ledger
    _origins: dict[str, str]

    def trigger(self, crawl: str, scheduled: str) -> dict[str, Any]:
        """Send the request that Cloud Scheduler sends for a crawl; return the body of the 200 response."""
        jobs = self.applied.of("google_cloud_scheduler_job")
        (target,) = next(values for name, values in jobs.items() if name.endswith(f"-{crawl}"))["http_target"]
        (oidc,) = target["oidc_token"]
        assert oidc["service_account_email"] in self.applied.invokers("dispatcher")
        requests.get(self.pubsub.certs_url, timeout=120)  # the signing key is generated at the first request
        token = SigningKey.load_or_create(self.pubsub.data).token(
            oidc["service_account_email"], oidc["audience"], time.time(), TOKEN_LIFETIME
        )
        parts = urlsplit(target["uri"])
        response = requests.request(
            target["http_method"],
            self._origins[f"{parts.scheme}://{parts.netloc}"] + parts.path,
            data=base64.b64decode(target["body"]),
            headers={**target["headers"], "Authorization": f"Bearer {token}", SCHEDULE_TIME: scheduled},
            timeout=120,
        )
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body


@contextmanager
def running_rehearsal(resources: list[dict[str, Any]], scratch: Path) -> Iterator[Rehearsal]:
    """Run an applied stack locally until the context ends."""
    local = _LocalStack(Applied(resources), scratch)
    ledger = Ledger(scratch)
    ledger.create()
    with ExitStack() as running:
        watcher = running.enter_context(ProcessWatcher())
        pubsub = running.enter_context(
            localpubsub.running(
                port=local.grpc_port,
                http_port=local.http_port,
                data=ledger.path.parent,
                setup=local.applied.pubsub(local.origins),
                time_scale=TIME_SCALE,
            )
        )
        for name in COMMANDS:
            service, gate = Process(local.service(name), watcher), Process(local.gate(name), watcher)
            running.callback(service.kill)
            running.callback(gate.kill)
            wait_until_healthy(service)
            wait_until(
                partial(_rejects_anonymous, gate.launch.health_url), f"the gate of the {name} responds"
            )
        yield Rehearsal(local.applied, pubsub, ledger, local.origins)


class _LocalStack:
    """Chooses the ports of an applied stack on this machine, and returns how to launch its processes.

    Attributes:
        applied: the values that Terraform applied.
        grpc_port, http_port: ports of Pub/Sub.
        origins: maps the origin of each service's URL in the cloud to the origin of its gate.
    """

    def __init__(self, applied: Applied, scratch: Path) -> None:
        self.applied = applied
        self.grpc_port, self.http_port = free_port(), free_port()
        self._scratch = scratch
        self._ports = {service: free_port() for service in COMMANDS}
        self._gate_ports = {service: free_port() for service in COMMANDS}
        self._certs_url = f"http://127.0.0.1:{self.http_port}/oauth2/v1/certs"
        self.origins = {
            applied.environment(service)["PUSH_AUDIENCE"]: f"http://127.0.0.1:{self._gate_ports[service]}"
            for service in COMMANDS
        }

    def service(self, name: str) -> Launch:
        """Return how to launch a service with the environment variables that Terraform and Cloud Run set."""
        environment = {
            **self.applied.environment(name),
            # Cloud Run sets these: https://cloud.google.com/run/docs/container-contract#services-env-vars
            "PORT": str(self._ports[name]),
            "K_SERVICE": name,
            "K_REVISION": f"{name}-00001",
            "K_CONFIGURATION": name,
            # With these, the service uses this machine's servers instead of the cloud's.
            "HOST": "127.0.0.1",
            "PATH": os.environ["PATH"],
            "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{self.grpc_port}",
            "PUSH_CERTS_URL": self._certs_url,
        }
        command, health = (
            (sys.executable, "-m", *COMMANDS[name]),
            f"http://127.0.0.1:{self._ports[name]}/healthz",
        )
        return Launch(name, command, environment, self._scratch / f"{name}.log", health)

    def gate(self, service: str) -> Launch:
        """Return how to launch the gate, which checks tokens, invokers and limits as Cloud Run does."""
        template, invokers = self.applied.template(service), self.applied.invokers(service)
        command = (
            *(
                sys.executable,
                "-m",
                "localpubsub.cloud_run_gate",
                "--to",
                f"http://127.0.0.1:{self._ports[service]}",
            ),
            *("--audience", self.applied.environment(service)["PUSH_AUDIENCE"]),
            *("--certs-url", self._certs_url),
            *("--max-instances", str(template["scaling"][0]["max_instance_count"])),
            *("--concurrency", str(template["max_instance_request_concurrency"])),
            *("--port", str(self._gate_ports[service])),
            # The gate can check only one account. Two accounts may call the dispatcher, so its gate does not
            # check the account.
            *(("--service-account", *invokers) if len(invokers) == 1 else ()),
        )
        log, url = self._scratch / f"{service}-gate.log", f"http://127.0.0.1:{self._gate_ports[service]}/"
        return Launch(f"gate of the {service}", command, dict(os.environ), log, url)


def _rejects_anonymous(gate: str) -> bool:
    """Return whether the gate is running and rejects a request without a token."""
    try:
        return requests.get(gate, timeout=120).status_code == 403
    except requests.ConnectionError:
        return False
