"""Fixtures that run Terraform with the stand-in provider, and apply the stack once per release."""

import fcntl
import json
import os
import shutil
from dataclasses import asdict

import pytest

from tests.servers.requirements import skip_or_fail
from tests.terraform.lifecycle import LIFECYCLES, CopyStack, Lifecycle, run_lifecycle
from tests.terraform.stack import Stack
from tests.terraform.stand_in import Unavailable, install


@pytest.fixture(scope="session")
def terraform() -> str:
    """Path of the terraform program."""
    program = shutil.which("terraform")
    if program is None:
        skip_or_fail("terraform is not installed (https://developer.hashicorp.com/terraform/install)")
    return program


@pytest.fixture(scope="session")
def copy_stack(terraform: str, tmp_path_factory: pytest.TempPathFactory) -> CopyStack:
    """A function that copies the configuration into a directory in which Terraform can run."""
    try:
        configuration = install(terraform)
    except Unavailable as error:
        skip_or_fail(str(error))

    def copy() -> Stack:
        return Stack.copy(tmp_path_factory.mktemp("stack"), terraform, configuration)

    return copy


@pytest.fixture(scope="session")
def stack(copy_stack: CopyStack) -> Stack:
    """A stack that is not applied."""
    return copy_stack()


@pytest.fixture(scope="session", params=["large", pytest.param("small", marks=pytest.mark.long)])
def lifecycle(
    request: pytest.FixtureRequest, copy_stack: CopyStack, tmp_path_factory: pytest.TempPathFactory
) -> Lifecycle:
    """The results of one apply, second plan and destroy, of the large and of the small example.

    The lifecycle runs once for each example, even if several pytest-xdist processes use it.
    """
    example, shared = request.param, tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        # The parent is common to all processes: https://pytest-xdist.readthedocs.io/en/stable/how-to.html
        shared = shared.parent
    record = shared / f"lifecycle-{example}.json"
    with record.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            results = run_lifecycle(copy_stack(), example, LIFECYCLES[example])
            record.write_text(json.dumps(asdict(results)), encoding="utf-8")
    return Lifecycle(**json.loads(record.read_text(encoding="utf-8")))
