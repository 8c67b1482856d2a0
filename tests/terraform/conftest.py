"""Terraform and the provider's stand-in, and one life of the stack with each of its releases."""

import fcntl
import json
import os
import shutil
from dataclasses import asdict

import pytest

from tests.servers.requirements import skip_or_fail
from tests.terraform.life import LIVES, CopyStack, Life, live
from tests.terraform.stack import Stack
from tests.terraform.stand_in import NEWEST, Unavailable, install


@pytest.fixture(scope="session")
def terraform() -> str:
    """The program."""
    program = shutil.which("terraform")
    if program is None:
        skip_or_fail("terraform is not installed (https://developer.hashicorp.com/terraform/install)")
    return program


@pytest.fixture(scope="session")
def copy_stack(terraform: str, tmp_path_factory: pytest.TempPathFactory) -> CopyStack:
    """Copies of the stack, to run Terraform in."""
    try:
        configuration = install(terraform)
    except Unavailable as why:
        skip_or_fail(str(why))

    def copy(release: str = NEWEST) -> Stack:
        return Stack.copy(tmp_path_factory.mktemp("stack"), terraform, configuration, release)

    return copy


@pytest.fixture(scope="session")
def stack(copy_stack: CopyStack) -> Stack:
    """A stack of which nothing is applied."""
    return copy_stack()


@pytest.fixture(scope="session", params=list(LIVES))
def life(
    request: pytest.FixtureRequest, copy_stack: CopyStack, tmp_path_factory: pytest.TempPathFactory
) -> Life:
    """Apply, plan again, destroy: with the oldest provider's release allowed, and with the newest.

    It is lived once, also where several processes share the tests.
    """
    release, shared = request.param, tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent  # all workers' (https://pytest-xdist.readthedocs.io/en/stable/how-to.html)
    kept = shared / f"life-{release}.json"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_text(json.dumps(asdict(live(copy_stack(release), release))), encoding="utf-8")
    return Life(**json.loads(kept.read_text(encoding="utf-8")))
