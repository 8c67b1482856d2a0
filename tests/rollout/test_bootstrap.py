"""Tests of scripts/bootstrap.sh against a fake of gcloud that keeps the project's state."""

import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.repository.tree import ROOT
from tests.rollout import fake_gcloud
from tests.rollout.gcloud_words import gcloud_tree, unknown_words

SCRIPT = ROOT / "scripts" / "bootstrap.sh"
ROLES = re.findall(
    r"^(roles/[\w.]+)", (ROOT / "scripts" / "deployer-roles.txt").read_text("utf-8"), re.MULTILINE
)
ACCOUNT = "--billing-account=012345-6789AB-CDEF01"
REPOSITORY = "--github=me/scrapeq"
DEPLOYER = "scrapeq-deployer@my-scraper.iam.gserviceaccount.com"
MEMBER = f"serviceAccount:{DEPLOYER}"
BUILD_AGENT = "service-123456789012@gcp-sa-cloudbuild.iam.gserviceaccount.com"


@dataclass(frozen=True)
class Google:
    """A fake of Google, and a shell whose gcloud talks to it.

    Attributes:
        folder: the directory of the program `gcloud`.
        path: the file with the state.
    """

    folder: Path
    path: Path

    @property
    def state(self) -> dict[str, Any]:
        """The state, as the last command left it."""
        state: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return state

    @property
    def project(self) -> dict[str, Any]:
        """The project `my-scraper`."""
        project: dict[str, Any] = self.state["projects"]["my-scraper"]
        return project

    def change(self, **changes: object) -> None:
        """Replace values of the state."""
        self.path.write_text(json.dumps(self.state | changes), encoding="utf-8")

    def bootstrap(self, *arguments: str, project: str = "my-scraper") -> subprocess.CompletedProcess[str]:
        """Run the script and return the finished process."""
        return subprocess.run(
            [str(SCRIPT), f"--project={project}", "--region=europe-west1", *arguments],
            env={"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "BOOTSTRAP_PAUSE": "0"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture
def google(tmp_path: Path) -> Google:
    """Google without a project of ours."""
    return Google(tmp_path, fake_gcloud.install(tmp_path))


def test_empty_account_gets_everything_that_the_first_apply_needs(google: Google) -> None:
    """The script creates the project, its APIs and agents, a safe state bucket, and the deployer."""
    done = google.bootstrap(ACCOUNT)
    assert done.returncode == 0, done.stderr
    project = google.project
    assert project["billing"] == "billingAccounts/012345-6789AB-CDEF01"
    assert {"pubsub.googleapis.com", "serviceusage.googleapis.com"} <= set(project["apis"])
    assert "service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com" in project["agents"]
    assert project["buckets"] == {
        "my-scraper-terraform": {
            "versioning_enabled": True,
            "uniform_bucket_level_access": True,
            "public_access_prevention": "enforced",
        }
    }
    assert [role for role, member in project["policy"] if member == MEMBER] == ROLES
    assert project["accounts"][DEPLOYER]["policy"] == [["roles/iam.serviceAccountTokenCreator", MEMBER]]
    assert re.search(r"bootstrap: done, with \d+ changes\n$", done.stdout)


def test_second_run_changes_nothing_and_says_so(google: Google) -> None:
    """A second run changes nothing, prints no command, and says so."""
    google.change(github_allowed=True)
    assert google.bootstrap(ACCOUNT, REPOSITORY).returncode == 0
    before = google.project
    done = google.bootstrap(ACCOUNT, REPOSITORY)
    assert done.stdout == "bootstrap: everything is as it should be; nothing was changed\n"
    assert google.project == before


@pytest.mark.parametrize("changes", [1, 4, 20])
def test_interrupted_run_is_continued_by_the_next_one(google: Google, changes: int) -> None:
    """If the script is killed after some changes, a second run makes the rest, and the result is the same."""
    google.change(github_allowed=True)
    assert google.bootstrap(ACCOUNT, REPOSITORY).returncode == 0
    whole = google.project
    google.change(projects={}, interrupt_after=changes)
    assert google.bootstrap(ACCOUNT, REPOSITORY).returncode == -signal.SIGKILL
    assert google.bootstrap(ACCOUNT, REPOSITORY).returncode == 0
    assert google.project == whole


def test_dry_run_prints_the_commands_and_changes_nothing(google: Google) -> None:
    """A dry run changes nothing, and prints the commands that a real run then executes."""
    dry = google.bootstrap(ACCOUNT, REPOSITORY, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert google.state["projects"] == {}
    printed = [line for line in dry.stdout.splitlines() if line.startswith("+ ") and "#" not in line]
    google.change(github_allowed=True)
    real = google.bootstrap(ACCOUNT, REPOSITORY)
    made = [line for line in real.stdout.splitlines() if line.startswith("+ ")]
    assert [line.replace("PROJECT_NUMBER", "123456789012") for line in printed] == made[:-1]
    assert (
        "repositories create" in made[-1]
    )  # The repository can be connected only after somebody allowed it.


def test_dry_run_in_a_prepared_project_prints_only_the_agents(google: Google) -> None:
    """A dry run in a prepared project names no change."""
    google.bootstrap(ACCOUNT)
    dry = google.bootstrap("--dry-run")
    assert "a dry run; 0 commands would change something" in dry.stdout


def test_existing_bucket_and_grants_are_completed(google: Google) -> None:
    """A bucket without versions and a deployer without one role get exactly what they lack."""
    google.bootstrap(ACCOUNT)
    state = google.state
    whole = json.loads(json.dumps(state["projects"]))
    project = state["projects"]["my-scraper"]
    project["buckets"]["my-scraper-terraform"] = {
        "versioning_enabled": None,
        "uniform_bucket_level_access": False,
        "public_access_prevention": "inherited",
    }
    removed = project["policy"].pop()
    google.change(projects=state["projects"])
    done = google.bootstrap()
    assert "bootstrap: done, with 3 changes" in done.stdout
    assert removed in google.project["policy"]
    assert google.state["projects"] == whole


@pytest.mark.parametrize(
    ("state", "project", "arguments", "said"),
    [
        ({}, "taken-project", [ACCOUNT], "the project taken-project was not created. If its id is in use"),
        ({}, "squatted-bucket", [ACCOUNT], "the bucket gs://squatted-bucket-terraform was not created"),
        (
            {"may_link_billing": False},
            "my-scraper",
            [ACCOUNT],
            "needs roles/billing.user on the billing account",
        ),
        ({}, "my-scraper", [], "has no billing account; pass --billing-account=ID"),
        ({"account": ""}, "my-scraper", [ACCOUNT], "run `gcloud auth login` first"),
        ({}, "My-Scraper", [], "--project=ID must be 6 to 30"),
        ({}, "my-scraper", ["--billing-account=12"], "must have the form 000000-000000-000000"),
        ({}, "my-scraper", ["--github=scrapeq"], "--github must have the form OWNER/NAME"),
        ({}, "my-scraper", ["--dryrun"], "unknown argument: --dryrun"),
    ],
)
def test_refusal_is_explained(
    google: Google, state: dict[str, Any], project: str, arguments: list[str], said: str
) -> None:
    """If Google or the script refuses, the script stops with status 1 and a sentence that says what to do."""
    google.change(**state)
    done = google.bootstrap(*arguments, project=project)
    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-1]


def test_help_lists_every_option(google: Google) -> None:
    """The option --help prints what the script does and every option that it accepts, and changes nothing."""
    done = google.bootstrap("--help")
    options = re.findall(r"^      (--[\w-]+)(?:=\*)?\) ", SCRIPT.read_text(encoding="utf-8"), re.MULTILINE)
    assert done.returncode == 0
    assert len(options) == 7
    assert set(options) - set(re.findall(r"--[\w-]+", done.stdout)) == {"--help"}
    assert google.state["calls"] == []


def test_project_of_another_billing_account_is_not_moved(google: Google) -> None:
    """A project that is linked to another billing account keeps it, and the script says how to go on."""
    google.bootstrap(ACCOUNT)
    done = google.bootstrap("--billing-account=000000-000000-000000")
    assert done.returncode == 1
    assert "is linked to 012345-6789AB-CDEF01, not to 000000-000000-000000" in done.stderr
    assert google.project["billing"] == "billingAccounts/012345-6789AB-CDEF01"


def test_connection_waits_for_the_permission_and_then_gets_the_repository(google: Google) -> None:
    """The script grants what the connection's secret needs, and connects the repository once it may."""
    first = google.bootstrap(ACCOUNT, REPOSITORY)
    assert first.returncode == 3
    assert first.stdout.splitlines()[-1].startswith("https://accounts.google.com/")
    assert ["roles/secretmanager.admin", f"serviceAccount:{BUILD_AGENT}"] in google.project["policy"]
    google.change(github_allowed=True)
    assert google.bootstrap(REPOSITORY).returncode == 0
    assert google.project["repositories"] == ["scrapeq"]


def prepared_for_removal(google: Google, state: str) -> dict[str, Any]:
    """Prepare a project, add what builds leave and somebody else's bucket; return the project."""
    google.change(github_allowed=True)
    google.bootstrap(ACCOUNT, REPOSITORY)
    projects = google.state["projects"]
    buckets = projects["my-scraper"]["buckets"]
    buckets["my-scraper-terraform"]["objects"] = {"scrapeq/default.tfstate": state}
    for name in ("my-scraper_cloudbuild", "artifactanalysis-europe-west1-123456789012", "my-photos"):
        buckets[name] = {}
    projects["my-scraper"]["policy"].append(["roles/viewer", "user:auditor@example.com"])
    google.change(projects=projects)
    return google.project


def test_removal_deletes_what_the_script_and_the_builds_made_and_nothing_else(google: Google) -> None:
    """After the removal only the project, its APIs and agents, and what others made are left."""
    before = prepared_for_removal(google, '{"resources": []}')
    assert google.bootstrap("--remove", "--dry-run").returncode == 0
    assert google.project == before
    done = google.bootstrap("--remove")
    assert done.returncode == 0, done.stderr
    left = google.project
    assert left["buckets"] == {"my-photos": {}}
    assert left["policy"] == [
        ["roles/owner", "user:owner@example.com"],
        ["roles/viewer", "user:auditor@example.com"],
    ]
    assert [left[kind] for kind in ("accounts", "connections", "repositories", "secrets")] == [{}, {}, [], []]
    again = google.bootstrap("--remove")
    assert again.stdout == "bootstrap: everything is as it should be; nothing was changed\n"


def test_removal_is_refused_while_the_state_has_resources(google: Google) -> None:
    """Nothing is deleted while Terraform's state, which a destroy needs, still has resources."""
    before = prepared_for_removal(google, '{"resources": [{"mode": "managed"}]}')
    done = google.bootstrap("--remove")
    assert done.returncode == 1
    assert "scrapeq/default.tfstate still has resources; run `terraform destroy` before" in done.stderr
    assert google.project == before


def test_every_command_of_the_script_exists_in_gcloud(google: Google) -> None:
    """All commands that the script executes, and all their flags, exist in the real gcloud."""
    prepared_for_removal(google, "{}")
    google.bootstrap("--remove")
    unknown = [unknown_words(arguments, gcloud_tree()) for arguments in google.state["calls"]]
    assert [words for words in unknown if words] == []
