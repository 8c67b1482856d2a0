"""scripts/smoke-test.sh with the real gcloud, against a stack on this machine."""

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
from contract.topology import DEAD_LETTER_SUBSCRIPTION, DEAD_LETTER_TOPIC
from tests.repository.tree import ROOT
from tests.rollout.google import Google, environment_for, outputs, serving_google
from tests.servers.requirements import skip_or_fail
from tests.servers.site import http, running_site

pytestmark = pytest.mark.timeout(400)  # gcloud takes seconds a call

SmokeTest = Callable[..., subprocess.CompletedProcess[str]]
HASTY = DeliveryPolicy(max_delivery_attempts=5, minimum_backoff_seconds=0, maximum_backoff_seconds=1)


@pytest.fixture
def pubsub_arguments() -> tuple[str, ...]:
    """More arguments for the stack's Pub/Sub."""
    return ()


@pytest.fixture
def google(tmp_path: Path, pubsub_arguments: tuple[str, ...]) -> Iterator[Google]:
    """A running stack, and what stands for Google before it."""
    options = StackOptions(data=tmp_path / "data", delivery=HASTY, pubsub_arguments=pubsub_arguments)
    with running_site() as site, Stack(options) as stack:
        site.add("/", http(200, b"<h1>Example</h1>"))
        keep_leases(stack)
        recipe = {"name": "canary", "fields": {"title": {"css": "h1", "required": True}}}
        crawl = {"name": "canary", "sources": {"urls": [site.url("/")]}, "recipe": recipe}
        with serving_google(stack, crawl) as google:
            yield google


def keep_leases(stack: Stack) -> None:
    """Let whoever pulls a dead letter have it for ten minutes, as terraform/deadletters.tf does."""
    wanted = {"name": subscription_path(DEAD_LETTER_SUBSCRIPTION), "ack_deadline_seconds": 600}
    request = {"subscription": wanted, "update_mask": {"paths": ["ack_deadline_seconds"]}}
    with subscriber_client(stack.pubsub_host) as subscriber:
        subscriber.update_subscription(request=request, timeout=120)


@pytest.fixture
def smoke_test(google: Google, tmp_path: Path) -> SmokeTest:
    """What runs the script and returns what it said."""
    if shutil.which("gcloud") is None:
        skip_or_fail("gcloud is not installed")
    environment = os.environ | environment_for(google, tmp_path / "home")
    environment["PATH"] = os.pathsep.join([str(tmp_path / "home" / "bin"), environment["PATH"]])
    environment["PYTHONPATH"] = str(ROOT)
    written = tmp_path / "outputs.json"
    written.write_text(json.dumps(outputs(google.stack.project)), encoding="utf-8")

    def run(file: Path = written, patience: int = 200) -> subprocess.CompletedProcess[str]:
        waits = {"SMOKE_TEST_SECONDS": str(patience), "SMOKE_TEST_PAUSE": "1"}
        return subprocess.run(
            [ROOT / "scripts" / "smoke-test.sh", file],
            env=environment | waits,
            capture_output=True,
            text=True,
            check=False,
            timeout=380,
        )

    return run


def letters(stack: Stack) -> list[str]:
    """Return the data of the dead letters that anybody could pull now; they are given back."""
    name = subscription_path(DEAD_LETTER_SUBSCRIPTION)
    with subscriber_client(stack.pubsub_host) as subscriber:
        pulled = subscriber.pull(subscription=name, max_messages=100, timeout=10).received_messages
        ack_ids = [each.ack_id for each in pulled]
        if ack_ids:
            subscriber.modify_ack_deadline(
                subscription=name, ack_ids=ack_ids, ack_deadline_seconds=0, timeout=120
            )
    return [each.message.data.decode() for each in pulled]


def test_a_system_that_works_passes_and_is_left_as_it_was(google: Google, smoke_test: SmokeTest) -> None:
    """The canary succeeds, the job that cannot work dies of its attempts; others' dead letters stay."""
    with publisher_client(google.stack.pubsub_host) as publisher:
        publisher.publish(topic_path(DEAD_LETTER_TOPIC), b"somebody's", job_id="other").result(timeout=120)
    said = smoke_test()
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert "dispatched=1 succeeded=1 dead=0 in_flight=0 missing=0" in said.stdout
    assert "dispatched=1 succeeded=0 dead=1 in_flight=0 missing=0" in said.stdout
    assert any("is a dead letter after 5 attempts" in line for line in lines)
    assert lines[-1].startswith("smoke test: passed after ")
    assert letters(google.stack) == ["somebody's"]


@pytest.mark.parametrize("pubsub_arguments", [("--without-service-agent-permissions",)])
def test_a_missing_grant_is_found(google: Google, smoke_test: SmokeTest) -> None:
    """Pub/Sub's agent may not bury: a job is tried for ever and nothing says so, but for this test."""
    said = smoke_test(patience=15)
    assert said.returncode == 1
    assert "Pub/Sub's service agent may lack the role publisher" in said.stderr
    assert letters(google.stack) == []


def test_a_revision_that_is_not_ready_is_named(google: Google, smoke_test: SmokeTest) -> None:
    """What answers requests then is the release before: testing that would show nothing."""
    google.ready["scrapeq-worker"] = "scrapeq-worker-00001"
    said = smoke_test()
    assert said.returncode == 1
    assert "scrapeq-worker: the newest revision is not ready" in said.stderr
    assert not any(":run" in each for each in google.requests)


def test_outputs_that_are_none_are_told(smoke_test: SmokeTest, tmp_path: Path) -> None:
    """A sentence, not a stack trace."""
    empty = tmp_path / "empty.json"
    empty.write_text("{}", encoding="utf-8")
    said = smoke_test(empty)
    assert said.returncode == 1
    assert said.stderr.strip() == (
        f"smoke test: {empty} has no output jobs_topic; terraform output -json prints them"
    )
