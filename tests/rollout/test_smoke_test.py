"""Tests of scripts/smoke-test.sh with the real gcloud and bq, against a local stack."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from console.stack.pubsub_setup import publisher_client, subscriber_client, subscription_path, topic_path
from console.stack.services import StackOptions
from console.stack.stack import Stack
from contract.topology import DEAD_LETTER_TOPIC, PUSH_SUBSCRIPTION
from tests.console.ledger.documented_queries import unbounded
from tests.repository.tree import ROOT
from tests.rollout.documented_commands import gcloud_environment
from tests.rollout.google import answers
from tests.rollout.google_apis import GoogleApis, running_google_apis
from tests.rollout.images import STABLE, link_programs
from tests.servers.site import http, running_site


@dataclass
class SmokeTest:
    """The script, a local stack, and a stand-in of Google's other APIs.

    Attributes:
        apis: the stand-in.
        settings: the file that the script reads.
        environment: the environment variables of the script.
        ready: the ready revision of each service that is not the newest one.
    """

    apis: GoogleApis
    settings: Path
    environment: dict[str, str]
    ready: dict[str, str] = field(default_factory=dict)

    def run(self, *, max_wait_seconds: int = 300) -> subprocess.CompletedProcess[str]:
        """Run the script with another maximum of the waits, and return its status and output."""
        text = self.settings.read_text(encoding="utf-8")
        text = re.sub(r"(?m)^max_wait_seconds=.*$", f"max_wait_seconds={max_wait_seconds}", text)
        self.settings.write_text(text, encoding="utf-8")
        return subprocess.run(
            [ROOT / "scripts" / "smoke-test.sh", self.settings],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=480,
        )


def setting(file: Path, name: str) -> str:
    """Return the value of a setting of the script."""
    found = re.search(rf"(?m)^{name}=(.*)$", file.read_text(encoding="utf-8"))
    assert found
    return found[1]


def grant(stack: Stack, agent: str, *, publishes_dead_letters: bool = True) -> None:
    """Give Pub/Sub's service agent its roles, as terraform/ does, or only the one of the subscription."""

    def policy(role: str) -> dict[str, object]:
        return {"bindings": [{"role": role, "members": [agent]}]}

    topic, subscription = topic_path(DEAD_LETTER_TOPIC), subscription_path(PUSH_SUBSCRIPTION)
    with publisher_client(stack.pubsub_host) as publisher, subscriber_client(stack.pubsub_host) as subscriber:
        publishes = policy("roles/pubsub.publisher") if publishes_dead_letters else {}
        publisher.set_iam_policy(request={"resource": topic, "policy": publishes}, timeout=120)
        takes = policy("roles/pubsub.subscriber")
        subscriber.set_iam_policy(request={"resource": subscription, "policy": takes}, timeout=120)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A running local stack."""
    with Stack(StackOptions(data=tmp_path / "data")) as stack:
        yield stack


@pytest.fixture
def smoke_test(gcloud: str, stack: Stack, smoke_test_settings: Path, tmp_path: Path) -> Iterator[SmokeTest]:
    """The script with the settings of an applied stack, in which the canary is a page of a local site."""
    del gcloud
    ready: dict[str, str] = {}
    with ExitStack() as running:
        site = running.enter_context(running_site())
        site.add("/", http(200, b"<h1>Example</h1>"))
        settings = tmp_path / "smoke-test.txt"
        text = smoke_test_settings.read_text(encoding="utf-8").replace("https://example.com/", site.url("/"))
        settings.write_text(text.replace("my-project", stack.project), encoding="utf-8")
        grant(stack, setting(settings, "pubsub_agent"))
        scheduler = setting(settings, "scheduler")
        apis = running.enter_context(running_google_apis(answers(stack, scheduler, ready)))
        environment = gcloud_environment(tmp_path / "gcloud", stack.project) | apis.environment(tmp_path)
        environment |= {
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB": f"{stack.addresses.pubsub_http_url}/",
            "PATH": str(link_programs(STABLE, tmp_path / "bin")),
            "SMOKE_TEST_PAUSE": "1",
        }
        yield SmokeTest(apis, settings, environment, ready)


def test_working_stack_passes(smoke_test: SmokeTest) -> None:
    """With only the programs of its image, the script dispatches the canary and finds it in the ledger."""
    done = smoke_test.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dispatched=1 succeeded=1 dead=0" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("smoke test: passed after ")


def test_queries_of_the_ledger_are_limited(smoke_test: SmokeTest) -> None:
    """Each query of the script is bounded by the partition column, and by the bytes that it may read."""
    assert smoke_test.run().returncode == 0
    queries = smoke_test.apis.queries
    assert len(queries) >= 2
    for query in queries:
        assert unbounded(query["query"]) == []
        assert int(query["maximumBytesBilled"]) <= 100_000_000_000


def test_missing_service_agent_permission_is_reported(smoke_test: SmokeTest, stack: Stack) -> None:
    """If Pub/Sub's service agent may not publish dead letters, the script fails and names the role."""
    grant(stack, setting(smoke_test.settings, "pubsub_agent"), publishes_dead_letters=False)
    done = smoke_test.run()
    assert done.returncode == 1
    assert re.search(r"gcp-sa-pubsub\S+ lacks roles/pubsub.publisher on scrape-jobs-dead", done.stderr)
    assert smoke_test.apis.queries == []


def test_revision_that_is_not_ready_fails_before_dispatch(smoke_test: SmokeTest) -> None:
    """If the newest revision is not ready, the script fails and dispatches nothing."""
    smoke_test.ready["scrapeq-worker"] = "scrapeq-worker-00001"
    done = smoke_test.run()
    assert done.returncode == 1
    assert "scrapeq-worker: the newest revision is not ready" in done.stderr
    assert smoke_test.apis.queries == []


def test_canary_that_fails_is_reported_with_its_outcome(smoke_test: SmokeTest) -> None:
    """If the canary's page fails, the script prints each outcome, and fails after its maximum wait."""
    text = smoke_test.settings.read_text(encoding="utf-8")
    smoke_test.settings.write_text(text.replace('"h1"', '"h2"'), encoding="utf-8")
    done = smoke_test.run(max_wait_seconds=40)
    assert done.returncode == 1
    assert "canary: failed," in done.stdout
    assert "the canary has not succeeded within 40 s" in done.stderr


def test_missing_setting_is_reported_in_one_line(smoke_test: SmokeTest, tmp_path: Path) -> None:
    """If a setting is missing, the script prints one line that names the file and the setting."""
    smoke_test.settings = tmp_path / "empty.txt"
    smoke_test.settings.write_text("", encoding="utf-8")
    done = smoke_test.run()
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"smoke test: {smoke_test.settings} has no project; terraform output -raw smoke_test prints it"
    )
