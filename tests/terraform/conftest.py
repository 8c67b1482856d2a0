"""Terraform and the provider's stand-in, and one life of the stack with each of its releases."""

import fcntl
import json
import os
import shutil
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import pytest

from tests.conformance.servers import missing
from tests.terraform.stack import Stack
from tests.terraform.stand_in import NEWEST, OLDEST, Unavailable, install

# One is before there is any image; the other has everything that can be on.
LIVES = {
    OLDEST: ["-var-file=examples/small.tfvars", "-var=images=null"],
    NEWEST: ["-var-file=examples/large.tfvars", "-var=vpc={}"],
}
# What was applied is taken down again, and every setting is given.
BOTH = [
    "-var=deletion_protection=false",
    (
        '-var=extra_settings={dispatcher={FETCH_ALLOW_NETWORKS="10.0.0.0/8",SITEMAP_MAX_BYTES="1048576"},'
        'worker={FETCH_ALLOW_NETWORKS="10.0.0.0/8",FETCH_MAX_BYTES="1048576",FETCH_MAX_REDIRECTS="3"}}'
    ),
]


class CopyStack(Protocol):
    """Makes a stack to run Terraform in."""

    def __call__(self, release: str = NEWEST) -> Stack:
        """Return one with the provider's `release`."""


@dataclass(frozen=True)
class Life:
    """One life of the stack: what was applied, what a second plan wanted, and what was left at the end.

    Attributes:
        resources: `{address, type, name, values}` each.
        changes: 0 where the second plan wanted none, 2 where it did; `second_plan` is what it said.
        left: the addresses of what was left.
    """

    release: str
    resources: list[dict[str, Any]]
    outputs: dict[str, Any]
    changes: int
    second_plan: str
    left: str

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the values of the resources of a type."""
        return [resource["values"] for resource in self.resources if resource["type"] == kind]

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment that a service was given."""
        (values,) = [
            values for values in self.of("google_cloud_run_v2_service") if values["name"].endswith(service)
        ]
        return {env["name"]: env["value"] for env in values["template"][0]["containers"][0]["env"]}


@pytest.fixture(scope="session")
def terraform() -> str:
    """The program."""
    program = shutil.which("terraform")
    if program is None:
        missing("terraform is not installed (https://developer.hashicorp.com/terraform/install)")
    return program


@pytest.fixture(scope="session")
def copy_stack(terraform: str, tmp_path_factory: pytest.TempPathFactory) -> CopyStack:
    """Copies of the stack, to run Terraform in."""
    try:
        configuration = install(terraform)
    except Unavailable as why:
        missing(str(why))

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


def live(stack: Stack, release: str) -> Life:
    """Apply, plan again, destroy."""
    options = [*LIVES[release], *BOTH]
    stack.succeed("apply", "-auto-approve", "-no-color", *options)
    resources, outputs = stack.resources(), stack.outputs()
    plan = stack.run("plan", "-detailed-exitcode", "-no-color", *options)
    stack.succeed("destroy", "-auto-approve", "-no-color", *options)
    left = stack.succeed("state", "list")
    return Life(release, resources, outputs, plan.returncode, plan.stdout, left)
