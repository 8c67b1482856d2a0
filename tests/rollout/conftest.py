"""Fixtures: gcloud, and stacks that Terraform applies with the stand-in of its provider."""

import shutil
from pathlib import Path

import pytest

from tests.servers.requirements import skip_or_fail
from tests.terraform.lifecycle import CopyStack
from tests.terraform.stack import Stack
from tests.terraform.stand_in import Unavailable, install


@pytest.fixture(scope="session")
def gcloud() -> str:
    """Path of gcloud."""
    found = shutil.which("gcloud")
    if found is None:
        skip_or_fail("gcloud is not installed")
    return found


@pytest.fixture(scope="session")
def copy_stack(tmp_path_factory: pytest.TempPathFactory) -> CopyStack:
    """A function that copies the configuration into a directory in which Terraform can run."""
    terraform = shutil.which("terraform")
    if terraform is None:
        skip_or_fail("terraform is not installed")
    try:
        configuration = install(terraform)
    except Unavailable as error:
        skip_or_fail(str(error))
    return lambda: Stack.copy(tmp_path_factory.mktemp("stack"), terraform, configuration)


@pytest.fixture(scope="session")
def applied(copy_stack: CopyStack) -> Stack:
    """A stack that is applied with the values of the small example."""
    stack = copy_stack()
    stack.succeed(
        "apply", "-auto-approve", "-no-color", "-var-file=examples/small.tfvars", "-var=images=null"
    )
    return stack


@pytest.fixture(scope="session")
def smoke_test_settings(applied: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that `terraform output -raw smoke_test` writes for the applied stack."""
    file = tmp_path_factory.mktemp("settings") / "smoke-test.txt"
    file.write_text(applied.succeed("output", "-raw", "smoke_test"), encoding="utf-8")
    return file
