"""Tests of `--help`: every command has an example that is accepted, and names its values."""

import pytest

from console.cli.application import split_example
from tests.console.command import Scrapeq
from tests.console.command_line import arguments_of, groups, leaf_commands, usage_error

LEAVES = dict(leaf_commands())
ALL = dict(groups()) | LEAVES


@pytest.mark.parametrize("path", list(ALL), ids=lambda path: " ".join(path) or "scrapeq")
def test_help_ends_with_an_example_that_the_command_accepts(scrapeq: Scrapeq, path: tuple[str, ...]) -> None:
    """`--help` ends with commands, each of which the parser accepts; one uses the command itself."""
    example = ALL[path].example
    assert example, f"the docstring of {' '.join(path)} has no paragraph that begins with `Example:`"
    shown = scrapeq(*path, "--help").stdout
    assert shown.endswith("\n".join(["Example:", *(f"  {line}" for line in example), ""]))
    for line in example:
        if line.startswith("scrapeq "):
            assert usage_error(arguments_of(line)) == "", line
    assert any(line.startswith(" ".join(["scrapeq", *path])) for line in example)


@pytest.mark.parametrize("path", list(LEAVES), ids=" ".join)
def test_each_argument_and_option_names_its_value(path: tuple[str, ...]) -> None:
    """Each value has a metavar and a meaning, so that no help shows the name of a Python type."""
    for parameter in LEAVES[path].params:
        if parameter.name != "help" and not getattr(parameter, "is_flag", False):
            assert parameter.metavar, f"{' '.join(path)} {parameter.name}"
            assert "[" not in parameter.metavar, "brackets are added where an argument may be omitted"
            assert parameter.help


def test_examples_are_the_last_paragraph_of_a_docstring() -> None:
    """An example may have one line or several; a text without one is unchanged."""
    assert split_example("Do it.\n\nAnd more.") == ("Do it.\n\nAnd more.", [])
    assert split_example("Do it.\n\nExample: a b\n") == ("Do it.", ["a b"])
    assert split_example("Do it.\n\nExample:\n    a\n    b") == ("Do it.", ["a", "b"])


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("scrapeq runs --limit 5 | head", ""),
        ("scrapeq runs --limit none", "integer"),
        ("scrapeq runs --limt 5", "--limit"),
        ("scrapeq rums", "Did you mean 'runs'"),
        ("scrapeq dispatch", "CRAWL.yaml"),
    ],
)
def test_wrong_commands_are_refused_by_the_parser_of_these_tests(line: str, error: str) -> None:
    """A wrong value, option or command, and a missing argument are refused; a similar name is suggested."""
    assert error in usage_error(arguments_of(line))
    assert bool(error) == bool(usage_error(arguments_of(line)))
