"""Tests of scripts/smoke-test.sh with the real gcloud, against a local stack."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.stack.pubsub_setup import publisher_client, subscriber_client, subscription_path, topic_path
from console.stack.services import DeliveryPolicy, StackOptions
from console.stack.stack import Stack
from contract.topology import DEAD_LETTER_SUBSCRIPTION, DEAD_LETTER_TOPIC, PUSH_SUBSCRIPTION
from tests.repository.tree import ROOT
from tests.rollout.google import FakeGoogle, environment_for, outputs, running_fake_google
from tests.servers.requirements import skip_or_fail
from tests.servers.site import http, running_site

pytestmark = pytest.mark.timeout(400)  # Each gcloud command takes seconds.

SmokeTest = Callable[..., subprocess.CompletedProcess[str]]
FAST_POLICY = DeliveryPolicy(max_delivery_attempts=5, minimum_backoff_seconds=0, maximum_backoff_seconds=1)


AGENT = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"


@pytest.fixture
def google(tmp_path: Path) -> Iterator[FakeGoogle]:
    """A running local stack with a fake of Google's other services."""
    options = StackOptions(data=tmp_path / "data", delivery=FAST_POLICY)
    with running_site() as site, Stack(options) as stack:
        site.add("/", http(200, b"<h1>Example</h1>"))
        set_ack_deadline(stack)
        grant_agent(stack)
        recipe = {"name": "canary", "fields": {"title": {"css": "h1", "required": True}}}
        crawl = {"name": "canary", "sources": {"urls": [site.url("/")]}, "recipe": recipe}
        with running_fake_google(stack, crawl) as google:
            yield google


def set_ack_deadline(stack: Stack) -> None:
    """Give the dead-letter subscription an ack deadline of ten minutes, as terraform/deadletters.tf does."""
    subscription = {"name": subscription_path(DEAD_LETTER_SUBSCRIPTION), "ack_deadline_seconds": 600}
    request = {"subscription": subscription, "update_mask": {"paths": ["ack_deadline_seconds"]}}
    with subscriber_client(stack.pubsub_host) as subscriber:
        subscriber.update_subscription(request=request, timeout=120)


def grant_agent(stack: Stack, *, forwards: bool = True) -> None:
    """Give Pub/Sub's service agent its roles, as terraform/ does; without `forwards`, not that to publish."""

    def policy(role: str) -> dict[str, object]:
        return {"bindings": [{"role": role, "members": [AGENT]}]}

    topic, subscription = topic_path(DEAD_LETTER_TOPIC), subscription_path(PUSH_SUBSCRIPTION)
    with publisher_client(stack.pubsub_host) as publisher, subscriber_client(stack.pubsub_host) as subscriber:
        published = policy("roles/pubsub.publisher") if forwards else {}
        publisher.set_iam_policy(request={"resource": topic, "policy": published}, timeout=120)
        taken = policy("roles/pubsub.subscriber")
        subscriber.set_iam_policy(request={"resource": subscription, "policy": taken}, timeout=120)


@pytest.fixture
def smoke_test(google: FakeGoogle, tmp_path: Path) -> SmokeTest:
    """A function that runs the script and returns its exit status and output."""
    if shutil.which("gcloud") is None:
        skip_or_fail("gcloud is not installed")
    environment = os.environ | environment_for(google, tmp_path / "home")
    environment["PATH"] = os.pathsep.join([str(tmp_path / "home" / "bin"), environment["PATH"]])
    environment["PYTHONPATH"] = str(ROOT)
    outputs_file = tmp_path / "outputs.json"
    outputs_file.write_text(json.dumps(outputs(google.stack.project)), encoding="utf-8")

    def run(
        file: Path = outputs_file, max_dead_letter_wait_seconds: int = 0
    ) -> subprocess.CompletedProcess[str]:
        limits = {
            "SMOKE_TEST_SECONDS": "200",
            "SMOKE_TEST_DEAD_LETTER_SECONDS": str(max_dead_letter_wait_seconds),
            "SMOKE_TEST_PAUSE": "1",
        }
        return subprocess.run(
            [ROOT / "scripts" / "smoke-test.sh", file],
            env=environment | limits,
            capture_output=True,
            text=True,
            check=False,
            timeout=380,
        )

    return run


def available_dead_letters(stack: Stack) -> list[str]:
    """Return the data of the dead letters that can be pulled now, and make them available again."""
    name = subscription_path(DEAD_LETTER_SUBSCRIPTION)
    with subscriber_client(stack.pubsub_host) as subscriber:
        pulled = subscriber.pull(subscription=name, max_messages=100, timeout=10).received_messages
        ack_ids = [received.ack_id for received in pulled]
        if ack_ids:
            subscriber.modify_ack_deadline(
                subscription=name, ack_ids=ack_ids, ack_deadline_seconds=0, timeout=120
            )
    return [received.message.data.decode() for received in pulled]


def test_working_stack_passes_and_keeps_other_dead_letters(google: FakeGoogle, smoke_test: SmokeTest) -> None:
    """The canary succeeds, the failing job is dead-lettered, and other dead letters stay available."""
    with publisher_client(google.stack.pubsub_host) as publisher:
        publisher.publish(topic_path(DEAD_LETTER_TOPIC), b"another dead letter", job_id="other").result(
            timeout=120
        )
    done = smoke_test(max_dead_letter_wait_seconds=200)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "dispatched=1 succeeded=1 dead=0 in_flight=0 missing=0" in done.stdout
    assert "dispatched=1 succeeded=0 dead=1 in_flight=0 missing=0" in done.stdout
    assert any("is a dead letter after 5 attempts" in line for line in lines)
    assert lines[-1].startswith("smoke test: passed after ")
    assert available_dead_letters(google.stack) == ["another dead letter"]


def test_missing_service_agent_permission_is_reported(google: FakeGoogle, smoke_test: SmokeTest) -> None:
    """If Pub/Sub's service agent may not publish dead letters, the script fails and names the role."""
    grant_agent(google.stack, forwards=False)
    done = smoke_test()
    assert done.returncode == 1
    assert "Pub/Sub's service agent lacks roles/pubsub.publisher on scrape-jobs-dead" in done.stderr
    assert not any(":run" in request for request in google.requests)


def test_revision_that_is_not_ready_fails_before_dispatch(google: FakeGoogle, smoke_test: SmokeTest) -> None:
    """If the newest revision is not ready, the script fails and dispatches nothing."""
    google.ready["scrapeq-worker"] = "scrapeq-worker-00001"
    done = smoke_test()
    assert done.returncode == 1
    assert "scrapeq-worker: the newest revision is not ready" in done.stderr
    assert not any(":run" in request for request in google.requests)


def test_missing_terraform_output_is_reported_in_one_line(smoke_test: SmokeTest, tmp_path: Path) -> None:
    """If an output is missing, the script prints one line that names the file and the output."""
    empty = tmp_path / "empty.json"
    empty.write_text("{}", encoding="utf-8")
    done = smoke_test(empty)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"smoke test: {empty} has no output jobs_topic; terraform output -json prints them"
    )
