"""Tests that terraform/README.md lists the variables, the outputs and the files of the code."""

from tests.terraform.tables import README, rows, with_current_tables


def test_tables_match_the_code() -> None:
    """Both tables in the README equal those made from the code (``python -m tests.terraform.tables``)."""
    text = README.read_text(encoding="utf-8")
    assert with_current_tables(text) == text


def test_every_row_has_a_description() -> None:
    """The parser finds all variables and outputs, and each has a description."""
    variables, outputs = list(rows("variables-*.tf")), list(rows("outputs.tf"))
    assert len(variables) > 30
    assert len(outputs) > 15
    assert all(row.description for row in [*variables, *outputs])
    assert {row.name for row in variables if row.default == "required"} == {"project_id", "contact_url"}


def test_every_file_is_named() -> None:
    """The README names each file of the configuration, except those that every configuration has."""
    usual = {"outputs.tf", "providers.tf", "terraform.tf"}
    files = {path.name for path in README.parent.glob("*.tf") if not path.name.startswith("variables-")}
    text = README.read_text(encoding="utf-8")
    assert {name for name in files - usual if name not in text} == set()
