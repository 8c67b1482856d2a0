"""Writes the tables of inputs and outputs into terraform/README.md: ``python -m tests.terraform.tables``."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.repository.tree import ROOT

TERRAFORM = ROOT / "terraform"
README = TERRAFORM / "README.md"
BLOCK = re.compile(r'^(?:variable|output) "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
ARGUMENT = re.compile(r"^  (description|type|default) += (.*?)(?=^  [a-z]|\Z)", re.MULTILINE | re.DOTALL)


class Row(NamedTuple):
    """A variable or an output. An output has an empty type and no default."""

    name: str
    type: str
    default: str
    description: str


def rows(pattern: str) -> Iterator[Row]:
    """Yield the variables or outputs of the files that match `pattern`, in the order of their names."""
    text = "".join(path.read_text(encoding="utf-8") for path in TERRAFORM.glob(pattern))
    for name, body in sorted(BLOCK.findall(text)):
        arguments = {key: " ".join(value.split()) for key, value in ARGUMENT.findall(body)}
        description = arguments["description"].strip('"').replace('\\"', '"').replace("|", "\\|")
        # HCL separates the attributes of an object by line feeds; the table has them on one line.
        kind = re.sub(r"(?<=[\w)]) (?=\w+ += )", ", ", arguments.get("type", ""))
        yield Row(name, re.sub(r" +=", " =", kind), arguments.get("default", "required"), description)


def inputs() -> str:
    """Return the table of variables as Markdown."""
    lines = [
        f"| `{row.name}` | `{row.type}` | `{row.default}` | {row.description} |"
        for row in rows("variables-*.tf")
    ]
    return "\n".join(["| variable | type | default | meaning |", "|---|---|---|---|", *lines])


def outputs() -> str:
    """Return the table of outputs as Markdown."""
    lines = [f"| `{row.name}` | {row.description} |" for row in rows("outputs.tf")]
    return "\n".join(["| output | meaning |", "|---|---|", *lines])


def with_current_tables(text: str) -> str:
    """Return the README's text with both tables replaced by those of the code."""
    for mark, table in (("inputs", inputs()), ("outputs", outputs())):
        begin, end = f"<!-- {mark} -->\n", f"\n<!-- /{mark} -->"
        before, found, rest = text.partition(begin)
        assert found, f"the README has no {begin}"
        text = before + begin + table + end + rest.partition(end)[2]
    return text


if __name__ == "__main__":
    README.write_text(with_current_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
