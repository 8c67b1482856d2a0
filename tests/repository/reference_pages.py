"""Generates parts of docs/reference/ from the code: `make reference` writes them.

A generated part is between `<!-- name -->` and `<!-- /name -->`; the other text of a page is written by hand.
"""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import typer

from console.cli.application import argument_name
from console.cli.commands import app
from contract.outcome import OUTCOME_MEANINGS, Outcome, Reason
from contract.reason_meanings import REASON_MEANINGS, status_of
from tests.journey.chaos import page as guarantees_page
from tests.journey.soak.records import soak_table
from tests.repository.tree import ROOT
from tests.rollout.deploy import DEPLOY
from tests.rollout.documented_commands import MEANINGS
from tests.rollout.runbook import RUNBOOK

REFERENCE: Final = ROOT / "docs" / "reference"
GUARANTEES: Final = ROOT / "docs" / "guarantees.md"
CRAWL_SCHEMA: Final = ROOT / "docs" / "crawl.schema.json"
LEDGER: Final = ROOT / "contract" / "ledger"


def reasons() -> str:
    """Return a table of all reasons, in the order of the code."""
    rows = (
        [
            f"`{reason}`",
            f"`{meaning.outcome}`",
            str(status_of(reason)),
            _cell(meaning.sentence),
            _cell(meaning.remedy),
        ]
        for reason, meaning in REASON_MEANINGS.items()
    )
    return _table(["reason", "outcome", "HTTP status", "meaning", "remedy"], rows)


def outcomes() -> str:
    """Return a table of all outcomes with their HTTP statuses and log levels."""
    rows = (
        [
            f"`{outcome}`",
            ", ".join(str(status) for status in statuses_of(outcome)),
            logging.getLevelName(meaning.level),
        ]
        for outcome, meaning in OUTCOME_MEANINGS.items()
    )
    return _table(["outcome", "HTTP status", "log level"], rows)


def statuses_of(outcome: Outcome) -> list[int]:
    """Return the possible HTTP statuses of a push with this outcome."""
    statuses = {status_of(reason) for reason in Reason if REASON_MEANINGS[reason].outcome is outcome} or {
        OUTCOME_MEANINGS[outcome].status
    }
    return sorted(statuses)


def meanings_of_extents() -> str:
    """Return a table of the words that say how far a command of a guide is run."""
    rows = ([str(extent), _cell(meaning)] for extent, meaning in MEANINGS.items())
    return _table(["how far", "meaning"], rows)


def commands() -> str:
    """Return a section for each command of `scrapeq`, with its arguments and options."""
    return "\n\n".join(_sections(typer.main.get_command(app), ["scrapeq"]))


def _sections(command: Any, path: list[str]) -> Iterator[str]:  # noqa: ANN401 - typer has its own click, without types
    inner = getattr(command, "commands", {})
    if not inner:
        yield _section(command, path)
    for name, each in inner.items():
        yield from _sections(each, [*path, name])


def _section(command: Any, path: list[str]) -> str:  # noqa: ANN401 - typer has its own click, without types
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = " ".join([*path, *(["[OPTIONS]"] if options else []), *map(argument_name, arguments)])
    parts = [f"## {' '.join(path)}", f"```\n{usage}\n```", _paragraphs(command.help)]
    if arguments:
        rows = ([f"`{_escaped(argument_name(each))}`", _cell(each.help or "")] for each in arguments)
        parts.append(_table(["argument", "meaning"], rows))
    if options:
        rows = (
            [f"`{_escaped(_option_name(each))}`", _default(each), _cell(each.help or "")] for each in options
        )
        parts.append(_table(["option", "default", "meaning"], rows))
    parts.append("\n".join(["```sh", *command.example, "```"]))
    return "\n\n".join(parts)


def _option_name(option: Any) -> str:  # noqa: ANN401 - typer has its own click, without types
    return " ".join([*option.opts, *([option.metavar] if option.metavar else [])])


def _default(option: Any) -> str:  # noqa: ANN401 - typer has its own click, without types
    value = option.default
    variable = f"`${option.envvar}`" if option.envvar else ""
    if value is None or value is False or value == "":
        return variable
    shown = f"`{getattr(value, 'value', value)}`"
    return f"{variable}, or {shown}" if variable else shown


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def crawl_fields() -> str:
    """Return a table of a crawl file's keys, from its JSON Schema."""
    schema = json.loads(CRAWL_SCHEMA.read_text(encoding="utf-8"))
    return _table(["key", "type", "default", "meaning"], _crawl_rows(schema, schema, ""))


def _crawl_rows(schema: dict[str, Any], whole: dict[str, Any], prefix: str) -> Iterator[list[str]]:
    for name, field in schema["properties"].items():
        choices = [each for each in field.get("anyOf", [field]) if each.get("type") != "null"]
        reference = choices[0].get("$ref", "").removeprefix("#/$defs/") if len(choices) == 1 else ""
        if reference == "Recipe":
            yield [f"`{name}`", "object", "required", "How to extract: see [Recipes](recipes.md)."]
        elif "properties" in whole["$defs"].get(reference, {}):
            yield from _crawl_rows(whole["$defs"][reference], whole, f"{prefix}{name}.")
        else:
            required = name in schema.get("required", ())
            default = "required" if required else _json(field.get("default"))
            meaning = _cell(field.get("description", ""))
            yield [
                f"`{prefix}{name}`",
                _type([whole["$defs"].get(reference, each) for each in choices]),
                default,
                meaning,
            ]


def _type(choices: list[dict[str, Any]]) -> str:
    names = {"string": "text", "boolean": "true or false"}
    lists = ["list of texts" if "items" in each else "list" for each in choices if each["type"] == "array"]
    others = [names.get(each["type"], each["type"]) for each in choices if each["type"] != "array"]
    return " or ".join([*others, *lists])


def _json(value: object) -> str:
    return "" if value in (None, [], (), {}) else f"`{json.dumps(value)}`"


def _columns(table: str) -> Callable[[], str]:
    def columns() -> str:
        fields = json.loads((LEDGER / f"{table}.schema.json").read_text(encoding="utf-8"))
        rows = ([f"`{each['name']}`", each["type"], _cell(each["description"])] for each in fields)
        return _table(["column", "type", "meaning"], rows)

    return columns


def _cell(text: str) -> str:
    """Return the text of a table cell, with a capital letter at its start and a full stop at its end.

    A text that begins with the value of an option (`settled: …`) keeps its small letter.
    """
    sentence = " ".join(_escaped(text).split())
    starts_with_value = sentence.split(" ", 1)[0].endswith(":")
    begin = sentence[:1] if starts_with_value else sentence[:1].upper()
    return begin + sentence[1:] + ("" if sentence.endswith((".", ":")) else ".")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _table(head: list[str], rows: Iterator[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


#: The generated parts: maps the page and the name of a part to the function that returns its text.
PARTS: Final[dict[tuple[Path, str], Callable[[], str]]] = {
    (REFERENCE / "outcomes-and-reasons.md", "outcomes"): outcomes,
    (REFERENCE / "outcomes-and-reasons.md", "reasons"): reasons,
    (REFERENCE / "cli.md", "commands"): commands,
    (REFERENCE / "tested-commands.md", "meanings"): meanings_of_extents,
    (REFERENCE / "tested-commands.md", "runbook"): RUNBOOK.table,
    (REFERENCE / "tested-commands.md", "deploy"): DEPLOY.table,
    (REFERENCE / "crawl-file.md", "keys"): crawl_fields,
    (GUARANTEES, "guarantees"): guarantees_page.guarantees,
    (GUARANTEES, "repeats"): guarantees_page.repeats,
    (GUARANTEES, "fresh-seeds"): guarantees_page.fresh_seeds,
    (GUARANTEES, "soak"): soak_table,
    (ROOT / "README.md", "guarantees"): guarantees_page.summary,
    (REFERENCE / "ledger.md", "jobs"): _columns("jobs"),
    (REFERENCE / "ledger.md", "outcomes"): _columns("outcomes"),
    (REFERENCE / "ledger.md", "dead_letters"): _columns("dead_letters"),
    (REFERENCE / "ledger.md", "dispatches"): _columns("dispatches"),
}


def current(page: Path, name: str) -> str:
    """Return the text that a page contains now for a part."""
    _, found, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
    assert found, f"{page.name} has no part <!-- {name} -->"
    part, found, _ = rest.partition(f"\n<!-- /{name} -->")
    assert found, f"{page.name} has no end <!-- /{name} -->"
    return part


def write() -> None:
    """Write every generated part into its page."""
    for (page, name), part in PARTS.items():
        begin, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
        old = begin + current(page, name) + end
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(old, begin + part() + end), encoding="utf-8")


if __name__ == "__main__":
    write()
