"""Runs one lifecycle of the stack (apply, second plan, destroy) and records its results."""

from dataclasses import dataclass
from typing import Any, Protocol

from tests.terraform.stack import Stack

#: Options of the lifecycles: the small example without images, and the large one with every option.
LIFECYCLES = {
    "small": ["-var-file=examples/small.tfvars", "-var=images=null"],
    "large": [
        "-var-file=examples/large.tfvars",
        "-var=vpc={}",
        '-var=budget={billing_account="012345-6789AB-CDEF01",amount=100}',
        '-var=urls_file_buckets=["my-urls"]',
        '-var=secrets={SHOP_TOKEN={secret="shop-token",version=3,origins=["api.shop.example","*.shop.example"]}}',
    ],
}


# Both stacks are destroyed afterwards, so they are not protected. Both set every extra setting.
COMMON_OPTIONS = [
    "-var=deletion_protection=false",
    "-var=ledger_deletion_protection=false",
    (
        '-var=extra_settings={dispatcher={FETCH_ALLOW_NETWORKS="10.0.0.0/8",SITEMAP_MAX_BYTES="1048576",URLS_FILE_MAX_BYTES="1048576"},'
        'worker={FETCH_ALLOW_NETWORKS="10.0.0.0/8",FETCH_MAX_BYTES="1048576",FETCH_MAX_REDIRECTS="3",FETCH_PROXIES="http://10.0.0.9:3128",'
        'EXTRACTION_PROCESSES="2",EXTRACTION_CPU_SECONDS="5",EXTRACTION_MEMORY_MIB="128"}}'
    ),
]


class CopyStack(Protocol):
    """Copies the configuration into a directory in which Terraform can run."""

    def __call__(self) -> Stack:
        """Return a copy, initialised with the stand-in provider."""


@dataclass(frozen=True)
class Lifecycle:
    """The results of one lifecycle of the stack: apply, second plan, destroy.

    Attributes:
        example: the example that was applied, `large` or `small`.
        resources: the applied resources, each as `{address, type, name, values}`.
        outputs: the values of the outputs by name.
        changes: exit status of the second plan: 0 if it has no changes, 2 if it has some.
        second_plan: the text of the second plan.
        remaining: addresses of resources that remain after the destroy, one per line.
    """

    example: str
    resources: list[dict[str, Any]]
    outputs: dict[str, Any]
    changes: int
    second_plan: str
    remaining: str

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the values of all resources of a type."""
        return [resource["values"] for resource in self.resources if resource["type"] == kind]

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment variables of a service that Terraform sets to a value."""
        (values,) = [
            values for values in self.of("google_cloud_run_v2_service") if values["name"].endswith(service)
        ]
        variables = values["template"][0]["containers"][0]["env"]
        return {env["name"]: env["value"] for env in variables if not env["value_source"]}

    def secret_variables(self, service: str) -> dict[str, tuple[str, str]]:
        """Return the environment variables of a service whose values are secrets, each as (id, version)."""
        (values,) = [
            values for values in self.of("google_cloud_run_v2_service") if values["name"].endswith(service)
        ]
        references = {
            env["name"]: env["value_source"][0]["secret_key_ref"][0]
            for env in values["template"][0]["containers"][0]["env"]
            if env["value_source"]
        }
        return {name: (each["secret"], each["version"]) for name, each in references.items()}


def run_lifecycle(stack: Stack, example: str, options: list[str]) -> Lifecycle:
    """Apply the stack, plan again and destroy it; return the results."""
    options = [*options, *COMMON_OPTIONS]
    stack.succeed("apply", "-auto-approve", "-no-color", *options)
    resources, outputs = stack.resources(), stack.outputs()
    plan = stack.run("plan", "-detailed-exitcode", "-no-color", *options)
    stack.succeed("destroy", "-auto-approve", "-no-color", *options)
    remaining = stack.succeed("state", "list")
    return Lifecycle(example, resources, outputs, plan.returncode, plan.stdout, remaining)
