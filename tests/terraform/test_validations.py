"""Tests that each validation and each check has runs of `terraform test` that fail without it."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository.tree import ROOT

TERRAFORM = ROOT / "terraform"
CONDITION = re.compile(
    r"(?:(?<=  validation \{\n)|(?<=  assert \{\n))    condition\s*= .*?(?=\n    error_message = )", re.DOTALL
)
FILES = sorted(TERRAFORM.glob("variables-*.tf"))
VARIABLES = "".join(path.read_text("utf-8") for path in FILES)
#: What the module tests/inputs contains: the variables, what is derived from them, and the checks.
INPUTS = VARIABLES + "".join(
    (TERRAFORM / name).read_text("utf-8") for name in ("deadlines.tf", "capacity.tf")
)
BLOCK = re.compile(r'^(?:variable|check) "(\w+)"', re.MULTILINE)
NAMES = BLOCK.findall(INPUTS)
VARIABLE_NAMES = BLOCK.findall(VARIABLES)
CHECKS = NAMES[len(VARIABLE_NAMES) :]
RUN = re.compile(r'^run "(\w+?)__\w+" \{\n.*?^\}\n', re.MULTILINE | re.DOTALL)
RUN_FILES = [
    TERRAFORM / "tests" / "capacity.tftest.hcl",
    *sorted((TERRAFORM / "tests").glob("validation-*.hcl")),
]
RUNS = [match for path in RUN_FILES for match in RUN.finditer(path.read_text("utf-8"))]
HEAD = """variables {
  project_id  = "my-project"
  contact_url = "https://example.com/bot"
}
"""


def terraform_test_output(terraform: str, folder: Path, inputs: str) -> str:
    """Return what `terraform test` prints, without a provider; `inputs` is the text of the module."""
    module = folder / "tests" / "inputs"
    installed = module.exists()
    module.mkdir(parents=True, exist_ok=True)
    # Each name has a separate file, because Terraform skips the other runs of a file after a failed run.
    for name in NAMES:
        of_name = "".join(run[0] for run in RUNS if run[1] == name)
        (folder / "tests" / f"{name}.tftest.hcl").write_text(HEAD + of_name, encoding="utf-8")
    for place in (folder, module):
        (place / "inputs.tf").write_text(inputs, encoding="utf-8")
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


def test_every_condition_is_found() -> None:
    """The texts of `texts_without_conditions` lack every validation and every check exactly once."""
    conditions = INPUTS.count("validation {") + INPUTS.count("assert {")
    assert sum(len(lines) for _, lines in texts_without_conditions()) == conditions > 40


def test_every_run_belongs_to_a_variable_or_a_check() -> None:
    """The name of every run begins with the name of a variable or of a check."""
    assert {run[1] for run in RUNS} == set(NAMES) - {
        name for name in VARIABLE_NAMES if "validation {" not in _body(name)
    }


@pytest.mark.parametrize("name", VARIABLE_NAMES)
def test_every_variable_has_a_type_and_a_description(name: str) -> None:
    """Every variable declares a type and a description."""
    assert "\n  description = " in _body(name)
    assert "\n  type " in _body(name)


def _body(name: str) -> str:
    return VARIABLES.partition(f'variable "{name}" {{')[2].partition("\n}\n")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_variables_of_a_file_are_in_alphabetical_order(path: Path) -> None:
    """The variables of each variables-*.tf are in alphabetical order."""
    names = re.findall(r'^variable "(\w+)"', path.read_text("utf-8"), re.MULTILINE)
    assert names == sorted(names) != []


def texts_without_conditions() -> Iterator[tuple[str, dict[str, int]]]:
    """Yield the text of the module with some conditions changed, so that they accept every value.

    In the n-th text, the n-th condition of each variable and of each check is changed, if it has so many.
    Each text comes with the line number of the changed condition by the name of its variable or check.
    """
    matches: dict[str, list[re.Match[str]]] = {}
    for match in CONDITION.finditer(INPUTS):
        matches.setdefault(BLOCK.findall(INPUTS[: match.start()])[-1], []).append(match)
    for number in range(max(map(len, matches.values()))):
        text, lines = INPUTS, dict[str, int]()
        for name, found in reversed(matches.items()):
            if number < len(found):
                match = found[number]
                lines[name] = INPUTS.count("\n", 0, match.start()) + 1
                value = f"var.{name}" if name in VARIABLE_NAMES else "local.push_slots"
                text = f"{text[: match.start()]}    condition = {value} == {value}{text[match.end() :]}"
        yield text, lines


def failed_runs(output: str) -> set[str]:
    """Return the names of the variables and checks whose runs failed."""
    return set(re.findall(r'run "(\w+?)__\w+"\.\.\. fail', output))


def test_every_condition_has_a_rejecting_run(terraform: str, tmp_path: Path) -> None:
    """If a validation or a check accepts everything, a run that is named after it fails."""
    assert " 0 failed" in terraform_test_output(terraform, tmp_path, INPUTS)
    missed = []
    for inputs, lines in texts_without_conditions():
        output = terraform_test_output(terraform, tmp_path, inputs)
        failed = failed_runs(output)
        assert failed <= lines.keys(), output
        missed += [f"{name}, line {lines[name]} of the module" for name in lines.keys() - failed]
    assert missed == []


def test_every_check_has_an_accepting_run(terraform: str, tmp_path: Path) -> None:
    """If a check warns about everything, a run that is named after it fails."""
    before, checks = INPUTS.split("check ", 1)
    changed = CONDITION.sub("    condition = local.push_slots != local.push_slots", f"check {checks}")
    assert set(CHECKS) <= failed_runs(terraform_test_output(terraform, tmp_path, before + changed))
