"""Tests of the destruction of a stack in `prod`: what is refused and removed, and what survives."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository.tree import ROOT
from tests.terraform.lifecycle import LIFECYCLES, CopyStack
from tests.terraform.stack import Stack

PROTECTED = LIFECYCLES["large"]  # examples/large.tfvars has environment = "prod"
TEARDOWN = (ROOT / "terraform" / "README.md").read_text(encoding="utf-8").partition("\n## Teardown\n")[2]
#: The commands of the three examples of the section, each as a list of commands.
KEEP_LEDGER, DELETE_LEDGER_AFTERWARDS, DELETE_EVERYTHING = (
    [shlex.split(line) for line in example.splitlines()]
    for example in re.findall(r"^```sh\n(.*?)^```", TEARDOWN.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
)
#: A stand-in for the program `bq`, which can only delete a dataset of the stand-in's cloud with its tables.
BQ = f"""#!{sys.executable}
import os, pathlib, sys
assert sys.argv[1:-1] == ["rm", "--recursive", "--force", "--dataset"], sys.argv
path = "projects%2F{{}}%2Fdatasets%2F{{}}".format(*sys.argv[-1].split(":"))
for file in pathlib.Path(os.environ["STAND_IN_CLOUD"]).glob(f"google_bigquery_*.{{path}}*"):
    file.unlink()
"""


def ledger(stack: Stack) -> list[str]:
    """Return the ledger's dataset, tables and views in the cloud; its functions go with the stack."""
    kinds = ("google_bigquery_dataset", "google_bigquery_table")
    return [resource for resource in stack.in_cloud() if resource.startswith(kinds)]


def run_commands(stack: Stack, commands: list[list[str]]) -> None:
    """Run documented Terraform commands on the large example."""
    for program, command, *options in commands:
        assert program == "terraform"
        stack.succeed(command, "-auto-approve", "-no-color", *PROTECTED, *options)


@pytest.fixture(scope="module")
def protected(copy_stack: CopyStack) -> Stack:
    """An applied stack that is protected, as by default."""
    stack = copy_stack()
    stack.succeed("apply", "-auto-approve", "-no-color", *PROTECTED)
    return stack


def test_destruction_guard_depends_on_every_resource(protected: Stack) -> None:
    """Terraform destroys the resource that refuses before all others."""
    resources = {resource["address"].partition("[")[0]: resource for resource in protected.resources()}
    guard = resources.pop("terraform_data.deletion_protection")
    assert resources.keys() - set(guard["depends_on"]) == set()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], id="destroy"),
        pytest.param(["-var=deletion_protection=false"], id="without an apply"),
        pytest.param(["-target=google_pubsub_subscription.push"], id="of one subscription"),
        pytest.param(["-target=google_bigquery_dataset.ledger"], id="of the ledger"),
    ],
)
def test_refused_destroy_removes_nothing(protected: Stack, options: list[str]) -> None:
    """While the applied stack is protected, `terraform destroy` fails, and state and cloud are as before."""
    state, cloud = protected.succeed("state", "list"), protected.in_cloud()
    refused = protected.run("destroy", "-auto-approve", "-no-color", *PROTECTED, *options)
    assert refused.returncode != 0
    assert "deletion_protection is true, so nothing was destroyed." in " ".join(refused.stderr.split())
    assert protected.succeed("state", "list") == state
    assert protected.in_cloud() == cloud


@pytest.mark.parametrize(
    "address",
    [
        "google_pubsub_topic.jobs",
        "google_pubsub_subscription.push",
        "google_pubsub_subscription.dead",
        'google_bigquery_table.ledger["outcomes"]',
        "google_cloud_run_v2_service.worker",
    ],
)
def test_protected_resource_is_not_replaced(protected: Stack, address: str) -> None:
    """A replacement, which would lose messages or rows, is refused, and the resource stays."""
    cloud = protected.in_cloud()
    refused = protected.run("apply", "-auto-approve", "-no-color", *PROTECTED, f"-replace={address}")
    assert refused.returncode != 0
    assert "cannot destroy" in refused.stderr
    assert protected.in_cloud() == cloud


def test_documented_teardown_keeps_the_ledger_until_it_is_deleted(
    copy_stack: CopyStack, tmp_path: Path
) -> None:
    """After the documented teardown only the ledger exists; another documented command deletes it."""
    stack = copy_stack()
    stack.succeed("apply", "-auto-approve", "-no-color", *PROTECTED)
    kept = ledger(stack)
    assert len(kept) > 10
    run_commands(stack, KEEP_LEDGER)
    assert stack.in_cloud() == kept
    assert stack.succeed("state", "list") == ""

    bq = tmp_path / "bq"
    bq.write_text(BQ, encoding="utf-8")
    bq.chmod(0o755)
    [command] = DELETE_LEDGER_AFTERWARDS
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PROJECT": "my-project",
        "STAND_IN_CLOUD": str(stack.cloud),
    }
    subprocess.run(["bash", "-c", shlex.join(command).replace("'", '"')], env=environment, check=True)
    assert stack.in_cloud() == []


def test_kept_ledger_is_adopted_by_a_new_stack_and_deleted_with_it(copy_stack: CopyStack) -> None:
    """An apply with adopt_ledger takes over a kept ledger; the last example deletes both."""
    stack = copy_stack()
    stack.succeed("apply", "-auto-approve", "-no-color", *PROTECTED)
    run_commands(stack, KEEP_LEDGER)
    again = stack.run("apply", "-auto-approve", "-no-color", *PROTECTED)
    assert "already exists in the cloud" in " ".join(again.stderr.split())
    stack.succeed("apply", "-auto-approve", "-no-color", *PROTECTED, "-var=adopt_ledger=true")
    plan = stack.run("plan", "-detailed-exitcode", "-no-color", *PROTECTED)
    assert plan.returncode == 0, plan.stdout
    run_commands(stack, DELETE_EVERYTHING)
    assert stack.in_cloud() == []
