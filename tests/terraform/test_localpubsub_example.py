"""Checks the Terraform example in localpubsub's README with the stand-in for the google provider."""

import re
from pathlib import Path

from tests.repository.tree import ROOT
from tests.servers.requirements import skip_or_fail
from tests.terraform.stack import Stack
from tests.terraform.stand_in import Unavailable, install

README = (ROOT / "localpubsub" / "README.md").read_text(encoding="utf-8")


def test_terraform_example_of_localpubsub_is_valid(terraform: str, tmp_path: Path) -> None:
    """`terraform validate` accepts the example with one topic and one subscription."""
    (example,) = re.findall(r"^```hcl\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (tmp_path / "main.tf").write_text(example, encoding="utf-8")
    try:
        stack = Stack(tmp_path, terraform, install(terraform))
    except Unavailable as error:
        skip_or_fail(str(error))
    stack.succeed("init", "-no-color")
    stack.succeed("validate", "-no-color")
    assert example.count('resource "google_pubsub_') == 2
