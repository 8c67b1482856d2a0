"""Tests that every command, and the page, acts on the deployment whose ledger it reads."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import exceptions

from console.errors import UsageError
from console.stack.pubsub_address import PubsubAddress, address_of
from console.stack.pubsub_connection import describe_failure
from console.stack.pubsub_setup import subscription_path
from contract.outcome import Reason
from contract.topology import DEAD_LETTER_SUBSCRIPTION, JOBS_TOPIC, PUSH_SUBSCRIPTION
from tests.console.cloud.tls import served_over_tls
from tests.console.command import Scrapeq
from tests.console.dead_letters.line import RUN, Line, running_line
from tests.servers.certificates import key_pem

LEDGER = "bigquery://scrapeq-local/scrapeq"
CLOUD = PubsubAddress("", "my-project")


@dataclass(frozen=True)
class Deployment:
    """A deployment as an operator's machine reaches it.

    Attributes:
        line: its queue and its ledger.
        environment: variables of the operator's shell.
    """

    line: Line
    environment: dict[str, str]

    def run(self, *steps: list[Any], **variables: str) -> list[tuple[int, str]]:
        """Run commands and requests with further variables; return the status and the text of each."""
        command = [sys.executable, "-m", "tests.console.cloud.cloud_commands", *map(json.dumps, steps)]
        done = subprocess.run(
            command,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [(status, text) for status, text in json.loads(done.stdout)]

    def succeed(self, *words: Any) -> str:  # noqa: ANN401 - a form is a mapping
        """Run one command, which must succeed, and return its output."""
        [(status, text)] = self.run(list(words))
        assert status == 0, text
        return text


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """Yield a deployment, its credentials and its certificates."""
    account = {
        "type": "service_account",
        "client_email": "operator@my-project.iam.gserviceaccount.com",
        "private_key": key_pem(rsa.generate_private_key(65537, 2048)).decode(),
        "token_uri": "http://127.0.0.1:9/",
    }
    credentials = tmp_path / "credentials.json"
    credentials.write_text(json.dumps(account))
    kept = {name: value for name, value in os.environ.items() if name != "PUBSUB_EMULATOR_HOST"}
    with running_line(tmp_path) as line, served_over_tls(line.host, tmp_path) as (address, roots):
        environment = kept | {
            "COLUMNS": "200",
            "GOOGLE_APPLICATION_CREDENTIALS": str(credentials),
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(roots),
            "LEDGER": LEDGER,
            "LEDGER_DATA": str(tmp_path),
            "PUBSUB": address,
        }
        yield Deployment(line, environment)


def test_dead_letters_of_a_deployment_are_listed_replayed_and_dropped(deployment: Deployment) -> None:
    """With LEDGER alone, `dead` reads BigQuery, pulls from Google's Pub/Sub, and publishes there."""
    line = deployment.line
    line.die(line.dispatch("a", "b"), Reason.TIMEOUT)
    line.die(line.dispatch("c"), Reason.HTTP_404)
    listed, shown, exported, replayed = deployment.run(
        ["dead", "list"],
        ["dead", "show", "https://shop.example/c"],
        ["dead", "export", "--output", f"{deployment.environment['LEDGER_DATA']}/dead.jsonl"],
        ["dead", "replay", "--where", "reason=timeout", "--rate", "100/s"],
    )
    assert "3" in listed[1]
    assert "http_404" in shown[1]
    assert "3 dead letters written" in exported[1]
    assert replayed[0] == 0
    assert "replayed 2, left 0" in replayed[1]
    assert {job.url for job in line.take(2)} == {"https://shop.example/a", "https://shop.example/b"}
    line.accounting(dead=1, in_flight=2)
    assert "dropped 1, left 0" in deployment.succeed("dead", "drop", "--yes")
    line.accounting(dead=0, dropped=1)
    assert line.dead_letters() == []
    acts = deployment.succeed("acts")
    assert "replay" in acts
    assert "drop" in acts


def test_canary_of_a_deployment_is_followed_in_bigquery(deployment: Deployment) -> None:
    """With --first the rest is replayed only after the ledger in BigQuery shows that the first succeeded."""
    line = deployment.line
    line.die(line.dispatch("a"), Reason.TIMEOUT)
    line.die(line.dispatch("b"), Reason.TIMEOUT)
    command = [sys.executable, "-m", "tests.console.cloud.cloud_commands"]
    command.append(json.dumps(["dead", "replay", "--first", "1"]))
    with subprocess.Popen(command, env=deployment.environment, stdout=subprocess.PIPE, text=True) as process:
        line.end(line.take(1))
        output, _ = process.communicate(timeout=300)
    [(status, text)] = json.loads(output)
    assert status == 0, text
    assert "All of the first 1 jobs succeeded." in text
    assert len(line.take(1)) == 1


def test_page_of_a_deployment_shows_its_queue_and_replays(deployment: Deployment) -> None:
    """The page's screens and acts use the same Pub/Sub as the commands."""
    line = deployment.line
    line.die(line.dispatch("a"), Reason.TIMEOUT)
    form = {"run": RUN, "where": "", "scope": "all", "count": "1"}
    queue, replayed, dispatched = deployment.run(
        ["GET", "/queue"],
        ["POST", "/dead-letters/replay", form],
        ["POST", "/runs", {"crawl": "name: x\nsources: {urls: ['https://shop.example/']}\nrecipe: {name: x, "
                           "fields: {t: {css: h1}}}"}],
    )  # fmt: skip
    assert queue[0] == 200
    assert DEAD_LETTER_SUBSCRIPTION in queue[1]
    assert "ack deadline" in queue[1]
    assert replayed == (303, "done: 1 of 1 dead letters were replayed.")
    assert len(line.take(1)) == 1
    assert dispatched[0] == 422


def test_missing_subscription_and_missing_credentials_are_sentences(
    deployment: Deployment, tmp_path: Path
) -> None:
    """A deployment that lacks something, or a machine without credentials, is reported with the remedy."""
    line = deployment.line
    line.die(line.dispatch("a"), Reason.TIMEOUT)
    line.subscriber.delete_subscription(subscription=subscription_path(DEAD_LETTER_SUBSCRIPTION), timeout=60)
    [(status, text)] = deployment.run(["dead", "replay"])
    assert status == 1
    assert "compare LEDGER with `terraform output -raw ledger_address`" in text
    nowhere = {"GOOGLE_APPLICATION_CREDENTIALS": "", "NO_GCE_CHECK": "true", "HOME": str(tmp_path / "home")}
    [replay, cancel, (queue, page)] = deployment.run(
        ["dead", "replay"], ["cancel", RUN], ["GET", "/queue"], **nowhere
    )
    assert queue == 200
    for status, text in (replay, cancel, (1, page)):
        assert status == 1
        assert "gcloud auth application-default login" in text


def made(kind: Any, text: str) -> Exception:  # noqa: ANN401 - the constructors of Google's errors have no types
    """Return an error with a text."""
    error: Exception = kind(text)
    return error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (made(exceptions.PermissionDenied, "no"), "Terraform's `operators`"),
        (made(exceptions.NotFound, "no"), "terraform output -raw ledger_address"),
        (made(exceptions.Unauthenticated, "no"), "gcloud auth application-default login"),
        (
            made(exceptions.ServiceUnavailable, "Getting metadata from plugin failed: log in again"),
            "gcloud auth application-default login",
        ),
        (made(exceptions.ServiceUnavailable, "no"), "cannot be reached"),
        (made(exceptions.InvalidArgument, "no"), "InvalidArgument: no"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_error_of_googles_pubsub_is_a_sentence(error: Exception, sentence: str) -> None:
    """Each error that a service of Google may give is reported with what to do."""
    assert sentence in describe_failure(error, CLOUD)


def test_ledger_and_a_local_pubsub_contradict_each_other(
    monkeypatch: pytest.MonkeyPatch, scrapeq: Scrapeq
) -> None:
    """A ledger of a deployment and a local Pub/Sub are refused, so no act changes the wrong stack."""
    with pytest.raises(UsageError, match="unset one of them"):
        address_of("127.0.0.1:8085", Path(), {"LEDGER": LEDGER})
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:8085")
    assert "Traceback" not in scrapeq("dead", "list").output


def test_ledger_names_the_topics_of_the_same_stack() -> None:
    """A second stack of a project has another prefix, which the address of its ledger has, too."""
    assert address_of(None, Path(), {"LEDGER": LEDGER}) == PubsubAddress("", "scrapeq-local")
    address = address_of(None, Path(), {"LEDGER": f"{LEDGER}_two?topics=shop&days=8"})
    assert address.topic(JOBS_TOPIC) == "projects/scrapeq-local/topics/shop-jobs"
    assert address.subscription(PUSH_SUBSCRIPTION) == "projects/scrapeq-local/subscriptions/shop-jobs-push"
    with pytest.raises(UsageError, match="topics must be the topic_prefix"):
        address_of(None, Path(), {"LEDGER": f"{LEDGER}?topics=Shop/x"})
