"""Tests of how the commands of the guides are found and run, and runs those of the runbook."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from contract.topology import (
    DEAD_LETTER_SUBSCRIPTION,
    DEAD_LETTER_TOPIC,
    DISPATCH_SUBSCRIPTION,
    DISPATCH_TOPIC,
    JOBS_TOPIC,
    LEDGER_SUBSCRIPTIONS,
    LEDGER_TABLES,
    PUSH_SUBSCRIPTION,
)
from tests.repository.tree import ROOT
from tests.rollout.documented_commands import (
    Extent,
    Guide,
    Rule,
    commands_of,
    gcloud_environment,
    rejected_by_gcloud,
    run_session,
)
from tests.rollout.google_apis import Answer, GoogleApis, running_google_apis
from tests.rollout.runbook import PROJECT, RUNBOOK, answers
from tests.servers.pubsub import PubsubServer, localpubsub_server
from tests.terraform.stack import Stack

RUNS = (Extent.RUN, Extent.ANSWERED)


@dataclass(frozen=True)
class Cloud:
    """What the commands of a guide talk to.

    Attributes:
        pubsub: localpubsub.
        apis: the stand-in of Google's other APIs.
        environment: the environment variables with which gcloud and bq use the stand-ins.
    """

    pubsub: PubsubServer
    apis: GoogleApis
    environment: dict[str, str]

    def call(self, method: str, path: str, body: object) -> None:
        """Call Pub/Sub's REST API."""
        url = f"{self.pubsub.http_url}/v1/projects/{PROJECT}/{path}"
        requests.request(method, url, json=body, timeout=60).raise_for_status()

    def create_topology(self) -> None:
        """Create the topics and subscriptions that Terraform creates."""
        ledger_dead = "scrape-ledger-dead"
        for topic in (*LEDGER_TABLES, ledger_dead):
            self.call("PUT", f"topics/{topic}", {})
        for subscription, topic in {
            PUSH_SUBSCRIPTION: JOBS_TOPIC,
            DISPATCH_SUBSCRIPTION: DISPATCH_TOPIC,
            DEAD_LETTER_SUBSCRIPTION: DEAD_LETTER_TOPIC,
            f"{ledger_dead}-pull": ledger_dead,
            **{name: topic for topic, name in LEDGER_SUBSCRIPTIONS.items()},
        }.items():
            fields = {"topic": f"projects/{PROJECT}/topics/{topic}", "ackDeadlineSeconds": 600}
            self.call("PUT", f"subscriptions/{subscription}", fields)

    def publish_dead_letter(self) -> None:
        """Publish a dead letter."""
        message = {"data": "e30=", "attributes": {"job_id": "1"}}
        self.call("POST", f"topics/{DEAD_LETTER_TOPIC}:publish", {"messages": [message]})


@pytest.fixture
def cloud(gcloud: str, tmp_path: Path) -> Iterator[Cloud]:
    """A new project on localpubsub, and a stand-in of the other APIs."""
    del gcloud
    with ExitStack() as running:
        pubsub = running.enter_context(localpubsub_server(data=tmp_path / "pubsub"))
        apis = running.enter_context(running_google_apis(answers()))
        environment = gcloud_environment(tmp_path / "gcloud", PROJECT) | apis.environment(tmp_path)
        environment["CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB"] = f"{pubsub.http_url}/"
        cloud = Cloud(pubsub, apis, environment)
        cloud.create_topology()
        yield cloud


@pytest.fixture(scope="session")
def repository(applied: Stack) -> Path:
    """A folder with what the commands need of the repository, and the stack that Terraform has applied."""
    folder = applied.directory.parent
    (folder / "scripts").symlink_to(ROOT / "scripts")
    return folder


@pytest.mark.long
@pytest.mark.parametrize("section", RUNBOOK.sections())
def test_commands_of_the_runbook_run_on_stand_ins(
    section: str, cloud: Cloud, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every command of a section that a stand-in can answer ends with status 0, as a reader would run it."""
    first = [command for command in RUNBOOK.commands if command.text.startswith("gcloud config set")]
    for number, block in enumerate(RUNBOOK.blocks(section)):
        cloud.publish_dead_letter()
        commands = [command for command in block if RUNBOOK.rule(command).extent in RUNS]
        texts = [RUNBOOK.filled_in(command) for command in dict.fromkeys([*first, *commands])]
        needs_repository = any(re.match("terraform|scripts", text) for text in texts)
        folder = request.getfixturevalue("repository") if needs_repository else tmp_path
        scratch = tmp_path / f"session-{number}"
        scratch.mkdir()
        finished = run_session(texts, cloud.environment, folder, scratch)
        assert [(each.text, each.output, each.errors) for each in finished if each.status] == []


def test_every_gcloud_command_of_the_runbook_is_valid(gcloud: str, tmp_path: Path) -> None:
    """The parser of gcloud accepts every gcloud command of the runbook, also those that are not run."""
    assert rejected_by_gcloud(gcloud, RUNBOOK, tmp_path) == []


def test_a_misspelt_flag_is_rejected(gcloud: str, tmp_path: Path) -> None:
    """The parser of gcloud rejects a command with a flag that does not exist."""
    page = tmp_path / "guide.md"
    page.write_text("# Guide\n\n```sh\ngcloud run services describe a --regions=b\n```\n", encoding="utf-8")
    ((command, why),) = rejected_by_gcloud(gcloud, Guide(page, []), tmp_path)
    assert command == "gcloud run services describe a --regions=b"
    assert "--regions" in why


def test_commands_of_several_lines_are_found_whole() -> None:
    """A loop, a continued line and a quoted text of two lines are one command each, below their heading."""
    text = (
        "# Guide\n\n```sh\nfor a in 1 2; do\n  echo $a\ndone\n# a comment\necho 'one\ntwo'\n```\n"
        "## Next\n\n```sh\necho \\\n  three\n```\n\n```hcl\na = 1\n```\n"
    )
    assert [(each.section, each.block, each.text) for each in commands_of(text)] == [
        ("Guide", 0, "for a in 1 2; do\n  echo $a\ndone"),
        ("Guide", 0, "echo 'one\ntwo'"),
        ("Next", 1, "echo \\\n  three"),
    ]


def test_a_command_without_a_rule_is_reported(tmp_path: Path) -> None:
    """The table of a guide cannot be made if no rule says how far one of its commands is run."""
    page = tmp_path / "guide.md"
    page.write_text("# Guide\n\n```sh\necho 1\nprintf 2\n```\n", encoding="utf-8")
    guide = Guide(page, [Rule("echo", Extent.RUN, "bash")])
    with pytest.raises(LookupError, match="printf 2"):
        guide.table()


def test_a_session_keeps_variables_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    """A command sees the variables of those before it, and runs although one before it failed."""
    environment = {"PATH": os.environ["PATH"]}
    finished = run_session(["a=1", "false", 'echo "$a"'], environment, tmp_path, tmp_path)
    assert [(each.status, each.output) for each in finished] == [(0, ""), (1, ""), (0, "1\n")]


def test_the_stand_in_rejects_a_request_that_it_does_not_know() -> None:
    """The stand-in of Google's APIs rejects a request without an answer, and names it."""
    with running_google_apis([Answer("GET run/v1/known", {"a": 1})]) as apis:
        known, unknown = (
            requests.get(f"http://europe-west1-run.example/v1/{name}", proxies={"http": apis.url}, timeout=60)
            for name in ("known", "unknown")
        )
    assert known.json() == {"a": 1}
    assert unknown.status_code == 400
    assert "no answer to GET run/v1/unknown" in unknown.text
    assert apis.requests == ["GET run/v1/known", "GET run/v1/unknown"]
