"""Dead letters in a Pub/Sub, and the real script with the real gcloud at it."""

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
from tests.servers.pubsub import PubsubServer

SCRIPT = Path(__file__).parents[2] / "scripts" / "replay-dead-letters.sh"
KEPT = "jobs-kept"  #: takes what is published to the jobs topic
CALL_SECONDS = 60
DEATH = {
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
class PostOffice:
    """A project of its own in a server, with our topics and subscriptions.

    Attributes:
        server: the Pub/Sub.
        config: gcloud's directory.
        project: its id.
    """

    server: PubsubServer
    config: Path
    project: str = field(default_factory=lambda: f"replay-{next(_PROJECTS)}")

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the REST API; return its answer."""
        url = f"{self.server.http_url}/v1/projects/{self.project}/{path}"
        answer = requests.request(method, url, json=body, timeout=CALL_SECONDS)
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    def open(self) -> None:
        """Make topics and subscriptions."""
        for topic in (JOBS_TOPIC, DEAD_LETTER_TOPIC):
            self.call("PUT", f"topics/{topic}", {})
        for subscription, topic in ((DEAD_LETTER_SUBSCRIPTION, DEAD_LETTER_TOPIC), (KEPT, JOBS_TOPIC)):
            wanted = {"topic": f"projects/{self.project}/topics/{topic}", "ackDeadlineSeconds": 10}
            self.call("PUT", f"subscriptions/{subscription}", wanted)

    def bury(self, jobs: list[Job]) -> None:
        """Put jobs into the dead-letter topic, as Pub/Sub does."""
        messages = [
            {
                "data": base64.b64encode(job.data).decode(),
                "attributes": dict(job.attributes) | DEATH,
                "orderingKey": job.ordering_key,
            }
            for job in jobs
        ]
        for start in range(0, len(messages), 100):
            self.call(
                "POST", f"topics/{DEAD_LETTER_TOPIC}:publish", {"messages": messages[start : start + 100]}
            )

    def take(self, subscription: str) -> list[Job]:
        """Take a message or more from a subscription; none where there are none now."""
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
        """Return where the dead letters are pushed to; `""` where they wait for pulls."""
        found = self.call("GET", f"subscriptions/{DEAD_LETTER_SUBSCRIPTION}")
        return str(found.get("pushConfig", {}).get("pushEndpoint", ""))

    @property
    def environment(self) -> dict[str, str]:
        """What gcloud is told."""
        return {
            **os.environ,
            "CLOUDSDK_CONFIG": str(self.config),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB": f"{self.server.http_url}/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "CLOUDSDK_CORE_PROJECT": self.project,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the script in a process group of its own."""
        return subprocess.Popen(
            [str(SCRIPT), *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        process = self.start(*arguments)
        try:
            said, complained = process.communicate(timeout=seconds)
        finally:
            end(process)
        return subprocess.CompletedProcess(process.args, process.returncode, said, complained)


def end(process: subprocess.Popen[str]) -> None:
    """Kill whatever is left of a process group."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(120)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def job(number: int, ordering_key: str = "") -> Job:
    """Return a job that is like no other; some with bytes that are no text, and with awkward attributes."""
    data = b"\xff\x00job %d" % number if number % 2 else b""
    attributes = {"job_id": str(number), "odd": 'a, "b"=\\c\n日本', "empty": ""}
    return Job(data, frozenset(attributes.items()), ordering_key)


def tally(jobs: list[Job]) -> Counter[Job]:
    """Count equal jobs."""
    return Counter(jobs)
