"""The applied stack, run on this machine with its own values: Pub/Sub, both services, gates before them."""

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
from console.stack.process import Launch, Leash, Process, await_health
from dispatcher.run_id import SCHEDULE_TIME
from localpubsub.push.signing import SigningKey
from tests.repository.tree import ROOT
from tests.servers.waiting import wait_until

#: Backoffs of minutes pass in seconds; an ack deadline of a minute is still two seconds.
TIME_SCALE = 30
LIFETIME = 3600  #: seconds of a token
#: How the images start the services: dispatcher/Dockerfile, worker/Dockerfile.
COMMANDS = {
    "worker": ("gunicorn", "-c", "python:worker.gunicorn_conf"),
    "dispatcher": ("functions_framework", "--source", f"{ROOT}/dispatcher/main.py", "--target", "dispatch"),
}
#: What of a subscription Pub/Sub has under the name that Terraform has; the rest is the provider's own.
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
    """What Terraform's state says, as `{type, name, values}` each."""

    def __init__(self, resources: list[dict[str, Any]]) -> None:
        self._resources = resources

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the values of the resources of a type, by the name they have in the cloud."""
        found = [resource["values"] for resource in self._resources if resource["type"] == kind]
        return {values["name"]: values for values in found}

    def service(self, what: str) -> dict[str, Any]:
        """Return a Cloud Run service's template: `worker` or `dispatcher`."""
        services = self.of("google_cloud_run_v2_service")
        (template,) = next(values for name, values in services.items() if name.endswith(what))["template"]
        return dict(template)

    def environment(self, what: str) -> dict[str, str]:
        """Return the environment of a service's container."""
        return {env["name"]: env["value"] for env in self.service(what)["containers"][0]["env"]}

    def invokers(self, what: str) -> set[str]:
        """Return the accounts that may call a service."""
        return {
            resource["values"]["member"].removeprefix("serviceAccount:")
            for resource in self._resources
            if resource["type"] == "google_cloud_run_v2_service_iam_member"
            and resource["values"]["name"].endswith(what)
        }

    def pubsub(self, origins: Mapping[str, str]) -> dict[str, Any]:
        """Return topics and subscriptions as localpubsub takes them.

        Args:
            origins: of a URL in the cloud → of the same service here. Nothing else is another.
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


def _block(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a block, which Terraform has as a list of one, without what was not said."""
    if not isinstance(value, list):
        return value
    return {
        name: _block(inner)
        for name, inner in value[0].items()
        if inner not in (None, "", []) or inner is False
    }


@dataclass(frozen=True)
class Rehearsal:
    """A running stack.

    Attributes:
        applied: its values.
        pubsub: its Pub/Sub.
        ledger: what was recorded.
    """

    applied: Applied
    pubsub: localpubsub.RunningServer
    ledger: Ledger
    _origins: dict[str, str]

    def fire(self, crawl: str, scheduled: str) -> dict[str, Any]:
        """Do what Cloud Scheduler does for a crawl at its time; return the dispatcher's answer, a 200."""
        jobs = self.applied.of("google_cloud_scheduler_job")
        (target,) = next(values for name, values in jobs.items() if name.endswith(f"-{crawl}"))["http_target"]
        (oidc,) = target["oidc_token"]
        assert oidc["service_account_email"] in self.applied.invokers("dispatcher")
        requests.get(self.pubsub.certs_url, timeout=10)  # the key is made at its first need
        token = SigningKey.load_or_create(self.pubsub.data).token(
            oidc["service_account_email"], oidc["audience"], time.time(), LIFETIME
        )
        parts = urlsplit(target["uri"])
        answer = requests.request(
            target["http_method"],
            self._origins[f"{parts.scheme}://{parts.netloc}"] + parts.path,
            data=base64.b64decode(target["body"]),
            headers={**target["headers"], "Authorization": f"Bearer {token}", SCHEDULE_TIME: scheduled},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


@contextmanager
def rehearsing(resources: list[dict[str, Any]], scratch: Path) -> Iterator[Rehearsal]:
    """Run an applied stack until the context ends."""
    here = _Here(Applied(resources), scratch)
    ledger = Ledger(scratch)
    ledger.create()
    with ExitStack() as running:
        leash = running.enter_context(Leash())
        pubsub = running.enter_context(
            localpubsub.running(
                port=here.grpc_port,
                http_port=here.http_port,
                data=ledger.path.parent,
                setup=here.applied.pubsub(here.origins),
                time_scale=TIME_SCALE,
            )
        )
        for what in COMMANDS:
            service, gate = Process(here.service(what), leash), Process(here.gate(what), leash)
            running.callback(service.kill)
            running.callback(gate.kill)
            await_health(service)
            wait_until(partial(_is_shut, gate.launch.health_url), f"the gate of the {what} is there")
        yield Rehearsal(here.applied, pubsub, ledger, here.origins)


class _Here:
    """Where everything of an applied stack is on this machine.

    Attributes:
        origins: of a service's URL in the cloud → of its gate here.
    """

    def __init__(self, applied: Applied, scratch: Path) -> None:
        self.applied = applied
        self.grpc_port, self.http_port = free_port(), free_port()
        self._scratch = scratch
        self._ports = {what: free_port() for what in COMMANDS}
        self._gates = {what: free_port() for what in COMMANDS}
        self._certs_url = f"http://127.0.0.1:{self.http_port}/oauth2/v1/certs"
        self.origins = {
            applied.environment(what)["PUSH_AUDIENCE"]: f"http://127.0.0.1:{self._gates[what]}"
            for what in COMMANDS
        }

    def service(self, what: str) -> Launch:
        """Return a service with the environment that Terraform gives it, and what is Cloud Run's or ours."""
        environment = {
            **self.applied.environment(what),
            # Cloud Run's: https://cloud.google.com/run/docs/container-contract#services-env-vars
            "PORT": str(self._ports[what]),
            "K_SERVICE": what,
            "K_REVISION": f"{what}-00001",
            "K_CONFIGURATION": what,
            # This machine's.
            "HOST": "127.0.0.1",
            "PATH": os.environ["PATH"],
            "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{self.grpc_port}",
            "PUSH_CERTS_URL": self._certs_url,
        }
        command, health = (
            (sys.executable, "-m", *COMMANDS[what]),
            f"http://127.0.0.1:{self._ports[what]}/healthz",
        )
        return Launch(what, command, environment, self._scratch / f"{what}.log", health)

    def gate(self, what: str) -> Launch:
        """Return what Cloud Run does before a service: tokens, rights, and at most so many requests."""
        template, invokers = self.applied.service(what), self.applied.invokers(what)
        command = (
            *(
                sys.executable,
                "-m",
                "localpubsub.cloud_run_gate",
                "--to",
                f"http://127.0.0.1:{self._ports[what]}",
            ),
            *("--audience", self.applied.environment(what)["PUSH_AUDIENCE"], "--certs-url", self._certs_url),
            *("--max-instances", str(template["scaling"][0]["max_instance_count"])),
            *("--concurrency", str(template["max_instance_request_concurrency"])),
            *("--port", str(self._gates[what])),
            # The gate knows one account; the dispatcher has two that may call it.
            *(("--service-account", *invokers) if len(invokers) == 1 else ()),
        )
        log, url = self._scratch / f"{what}-gate.log", f"http://127.0.0.1:{self._gates[what]}/"
        return Launch(f"gate of the {what}", command, dict(os.environ), log, url)


def _is_shut(gate: str) -> bool:
    """Return whether a gate is there, and lets nobody in who has no token."""
    try:
        return requests.get(gate, timeout=5).status_code == 403
    except requests.ConnectionError:
        return False
