"""Each validation of a variable is tested: without it, a run in validation.tftest.hcl fails."""

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


def without_one_validation() -> Iterator[tuple[int, str, str]]:
    """Yield, for each validation, its line, its variable, and the text of all variables without it."""
    for match in VALIDATION.finditer(VARIABLES):
        variable = re.findall(r'^variable "(\w+)"', VARIABLES[: match.start()], re.MULTILINE)[-1]
        anything = f"    condition = var.{variable} == var.{variable}"
        line = VARIABLES.count("\n", 0, match.start()) + 1
        yield line, variable, VARIABLES[: match.start()] + anything + VARIABLES[match.end() :]


def verdict(terraform: str, folder: Path, variables: str, runs: str) -> str:
    """Return the output of `terraform test` for this text of all variables; it needs no provider."""
    inputs = folder / "tests" / "inputs"
    installed = inputs.exists()
    inputs.mkdir(parents=True, exist_ok=True)
    (folder / "tests" / "validation.tftest.hcl").write_text(runs, encoding="utf-8")
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


def runs_of(variable: str) -> str:
    """Return the test file with only the runs for `variable`, whose names begin with it."""
    head, *runs = re.split(r'^(?=run ")', RUNS, flags=re.MULTILINE)
    return head + "".join(run for run in runs if run.startswith(f'run "{variable}__'))


def test_every_validation_is_found() -> None:
    """The function that removes validations misses none."""
    assert len(list(without_one_validation())) == VARIABLES.count("validation {") > 40


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_has_a_type_and_a_description(name: str) -> None:
    """Terraform shows both to a user who has to set the variable."""
    body = VARIABLES.partition(f'variable "{name}" {{')[2].partition("\n}\n")[0]
    assert "\n  description = " in body
    assert "\n  type " in body


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_variables_of_a_file_are_in_alphabetical_order(path: Path) -> None:
    """Alphabetical order makes a variable easy to find in its file."""
    names = re.findall(r'^variable "(\w+)"', path.read_text("utf-8"), re.MULTILINE)
    assert names == sorted(names) != []


def test_every_validation_has_a_rejecting_run(terraform: str, tmp_path: Path) -> None:
    """If a validation is removed, a run that is named after its variable fails."""
    assert " 0 failed" in verdict(terraform, tmp_path, VARIABLES, RUNS)
    missed = []
    for line, variable, variables in without_one_validation():
        output = verdict(terraform, tmp_path, variables, runs_of(variable))
        assert " failed" in output, output
        if " 0 failed" in output:
            missed.append(f"{variable}, line {line} of all variables-*.tf")
    assert missed == []
