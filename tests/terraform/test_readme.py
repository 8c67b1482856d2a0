"""terraform/README.md says what can be set, and what comes out."""

from tests.terraform.tables import README, rows, written


def test_the_tables_are_those_of_the_code() -> None:
    """Else ``python -m tests.terraform.tables`` is due."""
    text = README.read_text(encoding="utf-8")
    assert written(text) == text


def test_every_row_says_something() -> None:
    """The check itself can fail: variables and outputs are found, with their descriptions."""
    variables, outputs = list(rows("variables-*.tf")), list(rows("outputs.tf"))
    assert len(variables) > 30
    assert len(outputs) > 15
    assert all(row.description for row in [*variables, *outputs])
    assert {row.name for row in variables if row.default == "required"} == {"project_id", "contact_url"}
