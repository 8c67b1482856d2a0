"""One life of the stack: apply, plan again, destroy."""

from dataclasses import dataclass
from typing import Any, Protocol

from tests.terraform.stack import Stack
from tests.terraform.stand_in import NEWEST, OLDEST

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


def live(stack: Stack, release: str) -> Life:
    """Apply, plan again, destroy."""
    options = [*LIVES[release], *BOTH]
    stack.succeed("apply", "-auto-approve", "-no-color", *options)
    resources, outputs = stack.resources(), stack.outputs()
    plan = stack.run("plan", "-detailed-exitcode", "-no-color", *options)
    stack.succeed("destroy", "-auto-approve", "-no-color", *options)
    left = stack.succeed("state", "list")
    return Life(release, resources, outputs, plan.returncode, plan.stdout, left)
