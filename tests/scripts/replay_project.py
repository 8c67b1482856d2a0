"""Creates a Pub/Sub project with dead letters, and runs the real script with the real gcloud on it."""

import base64
import os
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import requests

from contract.topology import DEAD_LETTER_SUBSCRIPTION, DEAD_LETTER_TOPIC, JOBS_TOPIC
from tests.repository.tree import ROOT
from tests.servers.pubsub import PubsubServer

SCRIPT = ROOT / "scripts" / "replay-dead-letters.sh"
REPLAYED_JOBS = "replayed-jobs"  #: pull subscription of the jobs topic
CALL_SECONDS = 60
MAX_RUN_SECONDS = 600.0  #: a replay calls gcloud many times, which takes seconds on a busy machine
PUBSUB_ATTRIBUTES = {
    "CloudPubSubDeadLetterSourceDeliveryCount": "5",
    "CloudPubSubDeadLetterSourceSubscription": "scrape-jobs-push",
}
_PROJECTS = count()


class Job(NamedTuple):
    """A message in the jobs topic."""

    data: bytes
    attributes: frozenset[tuple[str, str]]
    ordering_key: str


@dataclass
class ReplayProject:
    """A Pub/Sub project with Scrapeq's topics and subscriptions.

    Attributes:
        server: the Pub/Sub server.
        config: gcloud's configuration directory.
        name: id of the project.
    """

    server: PubsubServer
    config: Path
    name: str = field(default_factory=lambda: f"replay-{next(_PROJECTS)}")

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the REST API; return the JSON of its response."""
        url = f"{self.server.http_url}/v1/projects/{self.name}/{path}"
        response = requests.request(method, url, json=body, timeout=CALL_SECONDS)
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document

    def create(self) -> None:
        """Create the topics and subscriptions."""
        for topic in (JOBS_TOPIC, DEAD_LETTER_TOPIC):
            self.call("PUT", f"topics/{topic}", {})
        for subscription, topic in (
            (DEAD_LETTER_SUBSCRIPTION, DEAD_LETTER_TOPIC),
            (REPLAYED_JOBS, JOBS_TOPIC),
        ):
            fields = {"topic": f"projects/{self.name}/topics/{topic}", "ackDeadlineSeconds": 10}
            self.call("PUT", f"subscriptions/{subscription}", fields)

    def set_dead_letter_ack_deadline(self, seconds: int) -> None:
        """Change the ack deadline of the dead-letter subscription, in seconds."""
        name = f"projects/{self.name}/subscriptions/{DEAD_LETTER_SUBSCRIPTION}"
        change = {"subscription": {"name": name, "ackDeadlineSeconds": seconds}}
        self.call(
            "PATCH",
            f"subscriptions/{DEAD_LETTER_SUBSCRIPTION}",
            change | {"updateMask": "ackDeadlineSeconds"},
        )

    def publish_dead_letters(self, jobs: list[Job]) -> None:
        """Publish jobs to the dead-letter topic with the attributes that Pub/Sub adds."""
        messages = [
            {
                "data": base64.b64encode(job.data).decode(),
                "attributes": dict(job.attributes) | PUBSUB_ATTRIBUTES,
                "orderingKey": job.ordering_key,
            }
            for job in jobs
        ]
        for start in range(0, len(messages), 100):
            self.call(
                "POST", f"topics/{DEAD_LETTER_TOPIC}:publish", {"messages": messages[start : start + 100]}
            )

    def pull(self, subscription: str) -> list[Job]:
        """Pull and acknowledge the available messages, without waiting for more."""
        request = {"maxMessages": 1000, "returnImmediately": True}
        received = self.call("POST", f"subscriptions/{subscription}:pull", request).get(
            "receivedMessages", []
        )
        if received:
            ack_ids = [each["ackId"] for each in received]
            self.call("POST", f"subscriptions/{subscription}:acknowledge", {"ackIds": ack_ids})
        messages = [each["message"] for each in received]
        return [
            Job(
                base64.b64decode(message.get("data", "")),
                frozenset(message.get("attributes", {}).items()),
                message.get("orderingKey", ""),
            )
            for message in messages
        ]

    def endpoint(self) -> str:
        """Return the push endpoint of the dead-letter subscription; `""` if it is a pull subscription."""
        found = self.call("GET", f"subscriptions/{DEAD_LETTER_SUBSCRIPTION}")
        return str(found.get("pushConfig", {}).get("pushEndpoint", ""))

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables with which gcloud uses the server and the project."""
        return {
            **os.environ,
            "CLOUDSDK_CONFIG": str(self.config),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB": f"{self.server.http_url}/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "CLOUDSDK_CORE_PROJECT": self.name,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the script in its own process group."""
        return subprocess.Popen(
            [str(SCRIPT), *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, seconds: float = MAX_RUN_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run the script until it ends; kill it and raise TimeoutExpired after `seconds`."""
        process = self.start(*arguments)
        try:
            output, errors = process.communicate(timeout=seconds)
        finally:
            kill_group(process)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kill a process group if its leader still runs, and close the leader's pipes."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(120)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def job(number: int, ordering_key: str = "") -> Job:
    """Return a unique job with unusual attributes. The body is not UTF-8, or empty if `number` is even."""
    data = b"\xff\x00job %d" % number if number % 2 else b""
    attributes = {"job_id": str(number), "odd": 'a, "b"=\\c\n日本', "empty": ""}
    return Job(data, frozenset(attributes.items()), ordering_key)


def tally(jobs: list[Job]) -> Counter[Job]:
    """Return how often each job occurs."""
    return Counter(jobs)
