"""Tests that what messages, help and guides tell to run or to set exists: commands, options and settings.

The texts are the strings of the programs, with their docstrings, and the documentation. The parser of
`scrapeq` itself reads each command in them.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Final

import pytest

from tests.console.command_line import leaf_commands, usage_error
from tests.repository.documented_commands import commands
from tests.repository.tree import ROOT, parsed

PROGRAMS: Final = ("console", "contract", "dispatcher", "extraction", "guarded_http", "runtime", "worker")
COMMAND: Final = re.compile(r"`scrapeq ([^`\n]+)`")
OPTION: Final = re.compile(r"(?<![\w`.\-/=])--[a-z][a-z-]+")
SETTING: Final = re.compile(
    r"\b(?:FETCH|PAGE|WAIT|RETRY|ACK|PUSH|STARTUP|EXTRACTION|SHARD|SITEMAP)_[A-Z_]+[A-Z]\b"
)
#: Errors of a command that is only named, without its arguments or its subcommand.
INCOMPLETE: Final = re.compile(r"Missing (?:argument|option|parameter|command)|Usage: ")


def strings(tree: ast.AST) -> Iterator[str]:
    """Yield the strings of a program; a replaced part of an f-string is X as a word, else left out."""
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = ""
            for part in node.values:
                if isinstance(part, ast.Constant):
                    text += str(part.value)
                elif text.endswith((" ", "=")):
                    text += "X"
            yield text
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


@cache
def program_texts() -> list[tuple[str, str]]:
    """Return each string of the programs, with the path of its file."""
    return [
        (str(path.relative_to(ROOT)), " ".join(text.split()))
        for package in PROGRAMS
        for path in sorted((ROOT / package).rglob("*.py"))
        for text in strings(parsed(path))
    ]


def wrong_mention(words: list[str]) -> str:
    """Return why a mentioned command does not exist; `""` if it does, though its arguments may be missing."""
    error = usage_error([word for word in words if word not in {"…", "..."}])
    return "" if INCOMPLETE.search(error) else error


def test_commands_in_messages_and_help_exist() -> None:
    """The parser of `scrapeq` accepts each command that a string of the programs names."""
    wrong = {}
    for path, text in program_texts():
        for mention in COMMAND.findall(text):
            if error := wrong_mention(shlex.split(mention)):
                wrong[path, mention] = error
    assert wrong == {}


def test_commands_in_the_documentation_exist() -> None:
    """The parser of `scrapeq` accepts each command in a block or in a sentence of the documentation."""
    wrong = {}
    pages = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        if "decisions" in page.parts:  # they record what was true on their day
            continue
        for words in commands(page.read_text(encoding="utf-8")):
            if words[0].rsplit("/", 1)[-1] != "scrapeq" or "|" in " ".join(words):
                continue
            end = next((i for i, word in enumerate(words) if word.startswith((">", "2>"))), len(words))
            if error := wrong_mention(words[1:end]):
                wrong[page.name, " ".join(words)] = error
    assert wrong == {}


def test_options_in_messages_exist() -> None:
    """Each option that a message of the command line names is an option of some command."""
    known = {name for _, command in leaf_commands() for each in command.params for name in each.opts}
    known |= {"--help", "--version", "--install-completion", "--show-completion"}
    wrong = {
        (path, option)
        for path, text in program_texts()
        if path.startswith("console/") and not re.search("style|web", path)
        if " " in text
        for option in OPTION.findall(text)
        if option not in known
    }
    assert wrong == set()


def test_settings_in_messages_exist() -> None:
    """Each setting that a message or a remedy names is read by the dispatcher or the worker."""
    table = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^\| `([A-Z_]+)` ", table, re.MULTILINE))  # a test compares it with the code
    wrong = {
        (path, name)
        for path, text in program_texts()
        if " " in text and not path.startswith("console/web")
        for name in SETTING.findall(text)
        if name not in known and not re.search(rf"^{name}\b", _assignments(path), re.MULTILINE)
    }
    assert wrong == set()


def _assignments(path: str) -> str:
    """Return the source of a file: its docstrings may name constants of the same file."""
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("mention", "is_wrong"),
    [
        ("up", False),
        ("up --detach", False),
        ("dispatch", False),
        ("dispatch --wait", False),
        ("downn", True),
        ("up --detached", True),
        ("runs --limit many", True),
    ],
)
def test_a_command_that_does_not_exist_is_reported(mention: str, is_wrong: bool) -> None:
    """An unknown command, option or value is reported; arguments may be missing where it is only named."""
    assert bool(wrong_mention(mention.split())) is is_wrong


def test_strings_are_read_with_their_placeholders_replaced() -> None:
    """Strings, parts of f-strings and docstrings are read."""
    tree = ast.parse('"""Doc `scrapeq up`."""\nx = f"run `scrapeq wait {run}` now"')
    assert list(strings(tree)) == ["Doc `scrapeq up`.", "run `scrapeq wait X` now"]
