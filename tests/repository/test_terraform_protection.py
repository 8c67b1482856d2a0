"""Tests that a protected Terraform stack refuses a destroy before any resource is gone."""

import re

from tests.repository.tree import ROOT

BLOCK = re.compile(
    r'^(resource|output|moved|import|locals|check)(?: "(\w+)")?(?: "(\w+)")? \{\n.*?^\}',
    re.MULTILINE | re.DOTALL,
)
GUARD = "terraform_data.deletion_protection"


def test_every_resource_that_no_other_one_needs_is_needed_by_the_destruction_guard() -> None:
    """Terraform destroys the guard in protection.tf first, because it depends on all other resources.

    A resource depends on another one if its block, or a local value, names it.
    """
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "terraform").glob("*.tf")))
    blocks = {
        f"{match[2]}.{match[3]}" if match[1] == "resource" else f"locals at {match.start()}": match[0]
        for match in BLOCK.finditer(text)
        if match[1] in ("resource", "locals")
    }
    guard = blocks.pop(GUARD)
    resources = {name for name in blocks if "." in name}
    assert len(resources) > 40
    needed = {
        resource
        for resource in resources
        for name, block in blocks.items()
        if name != resource and re.search(rf"\b{re.escape(resource)}\b", block)
    }
    missing = {resource for resource in resources - needed if f"    {resource},\n" not in guard}
    assert missing == set(), f"add to depends_on of {GUARD} in terraform/protection.tf: {sorted(missing)}"
