"""Reads a YAML file strictly, and reports all of its faults together, each with its line.

The line numbers come from PyYAML's nodes. ruamel.yaml 0.19, which keeps line numbers in its values, was tried
but is not used. It is hardly faster (2.1 s for a crawl of 20,000 URLs; PyYAML needs 2.4 s). It stops at the
first duplicate key, converts unknown tags to values, and converts an alias inside of its own anchor to
`[None]`: each of these cases would need additional code here. It would save only the 15 lines of code that
find the line of a fault.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from console.recipes.bounded_file import read_bounded
from contract.crawl import MAX_CRAWL_BYTES
from contract.faults import Fault
from contract.quoting import escape_unprintable, hide_userinfo, quote

#: Maximum number of values in a file after its aliases are expanded. A few lines with aliases can expand to
#: billions of values.
MAX_VALUES = 1_000_000
#: Maximum number of characters of a number. The time to read a number in base 60 (`1:30:00`) grows with the
#: square of its length.
MAX_NUMBER_CHARACTERS = 100
_TAG = "tag:yaml.org,2002:"
#: Values that JSON has, and `<<`. Others (`!!binary`, `!!set`, `!!timestamp`, `!!python/…`) are faults.
_TAGS = frozenset(_TAG + name for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge"))


class LocatedFault(NamedTuple):
    """A fault and its line; the first line is 1."""

    line: int
    message: str


class FaultyFileError(Exception):
    """A file with faults.

    Attributes:
        lines: a line for each fault, for example `books.yaml:12: recipe.fields.price.type: …`.
    """

    def __init__(self, name: str, faults: Iterable[LocatedFault]) -> None:
        self.lines = [
            f"{name}:{fault.line}: {escape_unprintable(hide_userinfo(fault.message))}"
            for fault in sorted(faults)
        ]
        super().__init__("\n".join(self.lines))


class YamlFile(NamedTuple):
    """A mapping read from YAML, and the nodes that have its line numbers.

    Attributes:
        name: name of the file in the messages about faults.
        document: the mapping.
        root: the node of the mapping.
    """

    name: str
    document: dict[str, Any]
    root: yaml.Node

    def error_for(self, faults: Iterable[Fault]) -> FaultyFileError:
        """Return the error for faults of the document, each with its line."""
        return FaultyFileError(
            self.name, [LocatedFault(_line_of_fault(self.root, fault), str(fault)) for fault in faults]
        )


def read_file(path: Path) -> bytes:
    """Return the content of a crawl or recipe file.

    Raises:
        UsageError: the file cannot be read or is larger than MAX_CRAWL_BYTES.
    """
    return read_bounded(path, MAX_CRAWL_BYTES, "a crawl")


def read_yaml(text: bytes, name: str, expected: str) -> YamlFile:
    """Read a mapping from YAML.

    Args:
        text: the content of the file.
        name: name of the file in the messages about faults.
        expected: the message if the file is not a mapping; it states what the file should contain.

    Raises:
        FaultyFileError: the YAML has faults or is not a mapping.
    """
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:  # the bytes are not text
        raise FaultyFileError(name, [_yaml_fault(error, text)]) from None
    try:
        root = loader.get_single_node()
        faults = _structural_faults(root, expected)
        if root is None or faults:
            raise FaultyFileError(name, faults)
        return YamlFile(name, loader.construct_document(root), root)
    except yaml.YAMLError as error:
        raise FaultyFileError(name, [_yaml_fault(error, text)]) from None
    except RecursionError:
        raise FaultyFileError(name, [LocatedFault(loader.line + 1, "nested too deeply")]) from None
    except (ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF", which is no character
        raise FaultyFileError(name, [LocatedFault(loader.line + 1, f"not YAML: {error}")]) from None


class _Loader(yaml.SafeLoader):
    """Reads the values that JSON has. Dates and `=` stay texts, because JSON has no such values."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML reads a class attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - as in PyYAML
        """Return the value of a node.

        Raises:
            yaml.constructor.ConstructorError: with the line of the node. For a value that does not fit to its
                tag (`!!bool maybe`), PyYAML raises exceptions of many types.
        """
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, ArithmeticError, AttributeError, TypeError):
            problem = f"{quote(str(node.value), 80)} is not a value of the type {_short(node.tag)}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


def _short(tag: str) -> str:
    """Return a tag as it is written in a file."""
    return "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag


def _structural_faults(root: yaml.Node | None, expected: str) -> list[LocatedFault]:
    """Return the faults that prevent loading, for example duplicate keys, cyclic aliases, too many values."""
    if not isinstance(root, yaml.MappingNode):
        return [LocatedFault(1, expected)]
    faults = list[LocatedFault]()
    if _count_values(root, {}, faults) > MAX_VALUES:
        faults.append(LocatedFault(1, f"more than {MAX_VALUES:,} values, with its aliases expanded"))
    return faults


def _count_values(node: yaml.Node, counts: dict[int, int], faults: list[LocatedFault]) -> int:
    """Count the values below a node, aliases expanded; add duplicate keys and cyclic aliases to `faults`."""
    if id(node) in counts:
        if not counts[id(node)]:
            faults.append(LocatedFault(_line(node), "an alias inside of its own anchor"))
        return counts[id(node)]
    counts[id(node)] = 0  # 0 marks a node that is being counted
    faults.extend(_faults_of_node(node))
    children = list[yaml.Node]()
    if isinstance(node, yaml.MappingNode):
        faults.extend(_duplicate_keys(node))
        children = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    counts[id(node)] = 1 + sum(_count_values(child, counts, faults) for child in children)
    return counts[id(node)]


def _faults_of_node(node: yaml.Node) -> Iterable[LocatedFault]:
    if node.tag not in _TAGS:
        yield LocatedFault(_line(node), f"the tag {quote(_short(node.tag), 80)} is not supported")
    if node.tag in {_TAG + "int", _TAG + "float"} and len(node.value) > MAX_NUMBER_CHARACTERS:
        why = f"a number of {len(node.value)} characters; the maximum is {MAX_NUMBER_CHARACTERS}"
        yield LocatedFault(_line(node), why)


def _duplicate_keys(node: yaml.MappingNode) -> list[LocatedFault]:
    seen, faults = set[Any](), list[LocatedFault]()
    for key, _ in node.value:
        if isinstance(key.value, str):
            if key.value in seen:
                faults.append(LocatedFault(_line(key), f"duplicate key {key.value}"))
            seen.add(key.value)
    return faults


def _line_of_fault(node: yaml.Node, fault: Fault) -> int:
    """Return the line of the deepest part of the fault's path that exists in the file."""
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


def _yaml_fault(error: yaml.YAMLError, text: bytes) -> LocatedFault:
    if isinstance(error, yaml.reader.ReaderError):  # it has a position instead of a line
        is_decoded = error.encoding == "unicode"  # the position counts characters, else bytes
        whole = text.decode(errors="replace") if is_decoded else text.decode("latin-1")
        return LocatedFault(whole.count("\n", 0, error.position) + 1, f"not YAML: {error.reason}")
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return LocatedFault(mark.line + 1 if mark else 1, f"not YAML: {problem}")
