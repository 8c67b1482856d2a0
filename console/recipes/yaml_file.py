"""A YAML file that somebody wrote, read strictly: every fault at once, each with its line."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from console.errors import UsageError
from contract.crawl import MAX_CRAWL_BYTES
from contract.faults import Fault

MAX_VALUES = 1_000_000  #: after aliases are written out; a few lines of YAML can stand for billions


class Located(NamedTuple):
    """One thing wrong, and its line, from 1."""

    line: int
    why: str


class FaultyFile(Exception):
    """A file that is not what it should be.

    Attributes:
        lines: `books.yaml:12: recipe.fields.price.type: …`, one for each fault.
    """

    def __init__(self, name: str, faults: Iterable[Located]) -> None:
        self.lines = [f"{name}:{fault.line}: {fault.why}" for fault in sorted(faults)]
        super().__init__("\n".join(self.lines))


class YamlFile(NamedTuple):
    """What a file holds, and where."""

    name: str
    document: dict[str, Any]
    node: yaml.Node

    def faulty(self, faults: Iterable[Fault]) -> FaultyFile:
        """Return the error for faults of what the file holds."""
        return FaultyFile(self.name, [Located(_line_of(self.node, fault), str(fault)) for fault in faults])


def read_file(path: Path) -> bytes:
    """Return what is in a file.

    Raises:
        UsageError: where it cannot be read, or is larger than any crawl.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CRAWL_BYTES + 1)
    except OSError as wrong:
        raise UsageError(f"{path} cannot be read: {wrong.strerror}.") from None
    if len(text) > MAX_CRAWL_BYTES:
        raise UsageError(f"{path} has more than {MAX_CRAWL_BYTES} bytes, which is the largest crawl.")
    return text


def read_yaml(text: bytes, name: str, what: str) -> YamlFile:
    """Read a mapping from YAML; `what` says what it should be, in a sentence.

    Raises:
        FaultyFile: with every fault of its YAML.
        UsageError: for bytes that are no text.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        faults = _unusable(node, what)
        if node is None or faults:
            raise FaultyFile(name, faults)
        return YamlFile(name, _Loader(text).get_single_data(), node)
    except yaml.YAMLError as wrong:
        raise FaultyFile(name, [_yaml_fault(wrong)]) from None
    except RecursionError:
        raise FaultyFile(name, [Located(1, "nested too deeply")]) from None
    except ValueError as wrong:  # bytes that are no text
        raise UsageError(f"{name}: not YAML: {wrong}") from None


class _Loader(yaml.SafeLoader):
    """Leaves dates as they are written: JSON has none."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to declare them
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _unusable(node: yaml.Node | None, what: str) -> list[Located]:
    """Return what is wrong with the file before it is looked at as what it should be."""
    if not isinstance(node, yaml.MappingNode):
        return [Located(1, what)]
    faults = list[Located]()
    if _weigh(node, {}, faults) > MAX_VALUES:
        faults.append(Located(1, f"with its aliases written out it has more than {MAX_VALUES:,} values"))
    return faults


def _weigh(node: yaml.Node, known: dict[int, int], faults: list[Located]) -> int:
    """Count the values below a node, aliases written out, and note keys given twice and endless aliases."""
    if id(node) in known:
        if not known[id(node)]:
            faults.append(Located(_line(node), "an alias inside of what it stands for"))
        return known[id(node)]
    known[id(node)] = 0
    children = list[yaml.Node]()
    if isinstance(node, yaml.MappingNode):
        faults.extend(_repeated_keys(node))
        children = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    known[id(node)] = 1 + sum(_weigh(child, known, faults) for child in children)
    return known[id(node)]


def _repeated_keys(node: yaml.MappingNode) -> list[Located]:
    seen, faults = set[Any](), list[Located]()
    for key, _ in node.value:
        if isinstance(key.value, str):
            if key.value in seen:
                faults.append(Located(_line(key), f"{key.value} is given twice"))
            seen.add(key.value)
    return faults


def _line_of(node: yaml.Node, fault: Fault) -> int:
    """Return the line of the deepest part of a fault's path that the file has."""
    line = _line(node)
    for part in fault.path.split("."):
        found = _child(node, part)
        if found is None:
            break
        key, node = found
        line = _line(key)
    return line


def _child(node: yaml.Node, part: str) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        return node.value[int(part)], node.value[int(part)]
    return None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _yaml_fault(wrong: yaml.YAMLError) -> Located:
    mark = getattr(wrong, "problem_mark", None)
    said = getattr(wrong, "problem", None) or str(wrong)
    return Located(mark.line + 1 if mark else 1, f"not YAML: {said}")
