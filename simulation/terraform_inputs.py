"""Reads the numbers of the shipped Terraform configurations: the defaults, and each example's variables."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

TERRAFORM = Path(__file__).parents[1] / "terraform"
_VARIABLE = re.compile(r'^variable "(\w+)" \{(.*?)^\}', re.MULTILINE | re.DOTALL)
_DEFAULT = re.compile(r"^  default\s*=\s*(.+)$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"^(\w+)\s*=\s*([^\s#{\[]+)", re.MULTILINE)


@dataclass(frozen=True)
class ShippedConfiguration:
    """One shipped configuration.

    Attributes:
        name: `defaults`, or the name of the example.
        max_instances: maximum number of worker instances.
        concurrency: pushes that one instance takes.
        page_concurrency: pages that one instance works on.
        ack_deadline: seconds.
        max_attempts: max_delivery_attempts.
        policy: the ACK_POLICY that it ships with.
    """

    name: str
    max_instances: int
    concurrency: int
    page_concurrency: int
    ack_deadline: int
    max_attempts: int
    policy: Literal["success", "settled"]

    @property
    def slots(self) -> int:
        """Number of pushes that all instances take."""
        return self.max_instances * self.concurrency


def shipped_configurations() -> list[ShippedConfiguration]:
    """Return the defaults, and each of `terraform/examples/*.tfvars`."""
    values = _defaults()
    configurations = [_configuration("defaults", values)]
    for path in sorted((TERRAFORM / "examples").glob("*.tfvars")):
        assigned = dict(_ASSIGNMENT.findall(path.read_text(encoding="utf-8")))
        configurations.append(_configuration(path.stem, values | assigned))
    return configurations


def _defaults() -> dict[str, str]:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(TERRAFORM.glob("variables-*.tf")))
    return {name: match[1] for name, body in _VARIABLE.findall(text) if (match := _DEFAULT.search(body))}


def _configuration(name: str, values: dict[str, str]) -> ShippedConfiguration:
    return ShippedConfiguration(
        name=name,
        max_instances=int(values["worker_max_instances"]),
        concurrency=int(values["worker_concurrency"]),
        page_concurrency=int(values["worker_page_concurrency"]),
        ack_deadline=int(values["ack_deadline_seconds"]),
        max_attempts=int(values["max_delivery_attempts"]),
        policy="settled" if "settled" in values["ack_policy"] else "success",
    )
