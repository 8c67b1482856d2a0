"""Tests that validation.tftest.hcl covers each validation: if one is removed from a variable, a run fails."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository.tree import ROOT

TERRAFORM = ROOT / "terraform"
VALIDATION = re.compile(r"(?<=  validation \{\n)    condition\s*= .*?(?=\n    error_message = )", re.DOTALL)
RUNS = (TERRAFORM / "tests" / "validation.tftest.hcl").read_text(encoding="utf-8")
FILES = sorted(TERRAFORM.glob("variables-*.tf"))
VARIABLES = "".join(path.read_text("utf-8") for path in FILES)
NAMES = re.findall(r'^variable "(\w+)"', VARIABLES, re.MULTILINE)


def terraform_test_output(terraform: str, folder: Path, variables: str) -> str:
    """Return what `terraform test` prints, without a provider; `variables` is the text of variables-*.tf."""
    inputs = folder / "tests" / "inputs"
    installed = inputs.exists()
    inputs.mkdir(parents=True, exist_ok=True)
    head, *runs = re.split(r'^(?=run ")', RUNS, flags=re.MULTILINE)
    # Each variable has a separate file, because Terraform skips the other runs of a file after a failed run.
    for name in NAMES:
        of_name = "".join(run for run in runs if run.startswith(f'run "{name}__'))
        (folder / "tests" / f"{name}.tftest.hcl").write_text(head + of_name, encoding="utf-8")
    for place in (folder, inputs):
        (place / "variables.tf").write_text(variables, encoding="utf-8")
    if not installed:
        _run(terraform, "init", folder)
    return _run(terraform, "test", folder)


def _run(terraform: str, command: str, folder: Path) -> str:
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}
    done = subprocess.run(
        [terraform, command, "-no-color"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def test_every_validation_is_found() -> None:
    """The texts of `texts_without_validations` lack every validation of the variables exactly once."""
    assert sum(len(lines) for _, lines in texts_without_validations()) == VARIABLES.count("validation {") > 40


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_has_a_type_and_a_description(name: str) -> None:
    """Every variable declares a type and a description."""
    body = VARIABLES.partition(f'variable "{name}" {{')[2].partition("\n}\n")[0]
    assert "\n  description = " in body
    assert "\n  type " in body


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_variables_of_a_file_are_in_alphabetical_order(path: Path) -> None:
    """The variables of each variables-*.tf are in alphabetical order."""
    names = re.findall(r'^variable "(\w+)"', path.read_text("utf-8"), re.MULTILINE)
    assert names == sorted(names) != []


def texts_without_validations() -> Iterator[tuple[str, dict[str, int]]]:
    """Yield the text of variables-*.tf with some validations changed, so that they accept every value.

    In the n-th text, the n-th validation of each variable is changed, if the variable has so many. Each text
    comes with the line number of the changed validation by variable.
    """
    matches: dict[str, list[re.Match[str]]] = {}
    for match in VALIDATION.finditer(VARIABLES):
        variable = re.findall(r'^variable "(\w+)"', VARIABLES[: match.start()], re.MULTILINE)[-1]
        matches.setdefault(variable, []).append(match)
    for number in range(max(map(len, matches.values()))):
        text, lines = VARIABLES, dict[str, int]()
        for variable, found in reversed(matches.items()):
            if number < len(found):
                match = found[number]
                lines[variable] = VARIABLES.count("\n", 0, match.start()) + 1
                always_true = f"    condition = var.{variable} == var.{variable}"
                text = text[: match.start()] + always_true + text[match.end() :]
        yield text, lines


def test_every_validation_has_a_rejecting_run(terraform: str, tmp_path: Path) -> None:
    """If a validation accepts everything, a run that is named after its variable fails."""
    assert " 0 failed" in terraform_test_output(terraform, tmp_path, VARIABLES)
    missed = []
    for variables, lines in texts_without_validations():
        output = terraform_test_output(terraform, tmp_path, variables)
        failed = set(re.findall(r'run "(\w+?)__\w+"\.\.\. fail', output))
        assert failed <= lines.keys(), output
        missed += [f"{name}, line {lines[name]} of all variables-*.tf" for name in lines.keys() - failed]
    assert missed == []
